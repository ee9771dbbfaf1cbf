#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin of the same name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: secrets
short_description: Read the passwords of a cluster, making those that are missing
version_added: 0.1.0
description:
  - Keeps passwords in C(passwords.json) in a folder of the inventory that only its owner can read,
    and makes those that are asked for and not there yet (32 letters and digits).
  - Everything happens on the controller. Two runs at once wait for each other.
  - In check mode missing passwords are made up in memory and nothing is written, so they differ from run to run.
  - The result is hidden from the output, whether or not the task says C(no_log).
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: What is to O(renew) is made anew each time.
options:
  directory:
    description: Folder that holds the passwords. Made with mode 0700; refused when others may enter it.
    type: path
    required: true
  users:
    description: Logins of PostgreSQL that need a password.
    type: list
    elements: str
    required: true
  services:
    description: Names of passwords that belong to something else than a login of PostgreSQL.
    type: list
    elements: str
    default: []
  given:
    description:
      - Passwords of logins that the user chose, by login. They win over stored ones and are not stored.
      - Refused when empty or with control characters in them.
    type: dict
    default: {}
  renew:
    description: Names of O(users) and O(services) whose password is made anew. Not those that are O(given).
    type: list
    elements: str
    default: []
notes:
  - A stored password whose login is no longer asked for is kept.
"""

EXAMPLES = r"""
- name: Read the secrets, making those that are missing
  pgtier.cluster.secrets:
    directory: "{{ inventory_dir }}/secrets"
    users: [app, replicator, rewind]
    services: [patroni_restapi]
  register: pgtier_secrets
  no_log: true
  run_once: true
"""

RETURN = r"""
users:
  description: Passwords by login, those of O(users).
  returned: success
  type: dict
services:
  description: Passwords by name, those of O(services).
  returned: success
  type: dict
generated:
  description: Names for which a password was made in this run.
  returned: success
  type: list
  elements: str
path:
  description: The file that holds the passwords.
  returned: success
  type: str
"""
