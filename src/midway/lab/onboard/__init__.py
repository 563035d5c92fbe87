# SPDX-License-Identifier: Apache-2.0
"""What runs inside an emulated board: the two init scripts and the server behind the result channel."""
