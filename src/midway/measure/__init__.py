# SPDX-License-Identifier: Apache-2.0
"""Measurements: benchmarks and campaigns over whole collections, and the tables made of them."""
