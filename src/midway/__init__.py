# SPDX-License-Identifier: Apache-2.0
"""Midway: platform devices of an Arm host for KVM guests."""

__version__ = "0.1.0"
