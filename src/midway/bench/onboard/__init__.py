# SPDX-License-Identifier: Apache-2.0
"""Shell scripts that run in guests, and one that runs on the host as well."""
