# SPDX-License-Identifier: Apache-2.0
"""Options of the modules that talk to the PgBouncer instances of a host."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  instances:
    description:
      - The instances to talk to, each by name or port. An instance is called as its configuration file,
        F(/etc/pgbouncer/endpoints/primary.ini) is V(primary).
      - Without any, all that have a socket in O(socket_directory).
    type: list
    elements: str
    default: []
  socket_directory:
    description: Directory of the instances' Unix sockets; each may have a directory of its own below.
    type: path
    default: /run/pgbouncer
  os_user:
    description:
      - Operating system user that the instances run as. PgBouncer gives its console to that user without a password.
        Become root to use it, or this user itself.
    type: str
    default: postgres
"""
