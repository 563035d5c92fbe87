# SPDX-License-Identifier: Apache-2.0
"""The experiment: loads on one device, native and in guests, with counts beside rates."""
