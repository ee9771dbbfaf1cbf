# SPDX-License-Identifier: Apache-2.0
"""Members that come and go: decisions without I/O, and the client of etcd's own membership."""
