# SPDX-License-Identifier: Apache-2.0
"""The kernel's user-space ABI as data only: one module per header.

Every module says which header it describes (`HEADER`) and for which architectures it holds
(`ARCHITECTURES`).
Its public integers have the names of the header's constants and its `Layout`s name the header's structures:
a test compares all of them with what the C compiler says.
"""
