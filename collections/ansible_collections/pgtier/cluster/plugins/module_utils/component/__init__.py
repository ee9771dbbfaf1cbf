# SPDX-License-Identifier: Apache-2.0
"""Converge one component of a host: packages, files and systemd units.

spec      arguments: their types, and what types cannot say
model     the desired and the observed state, and the changes between them
planner   desired + observed -> changes; pure
host      the edge: files, accounts and programs of the host
observe   reads the host
packages  one apt transaction
staging   files: staged beside their place, checked, put in place
units     systemd
journal   work that is still due, kept across an interrupted run
report    the module's result and diff
masking   keeps secrets out of what programs print
converge  the order of it all
"""
