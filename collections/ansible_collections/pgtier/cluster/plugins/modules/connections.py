#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin of the same name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: connections
short_description: Write down how to connect to a cluster
version_added: 0.1.0
description:
  - Writes C(connections.json), an object of databases of users of endpoints and their URI, for programs, and C(pgpass),
    a password file of libpq, for people with psql. Both are readable by their owner only.
  - Lists every user of the plan that can log in and is not the tier's own, on the databases it may connect to.
  - Everything happens on the controller.
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
    details: What would differ are passwords.
options:
  directory:
    description: Folder for the files. Made with mode 0700; refused when others may enter it.
    type: path
    required: true
  plan:
    description: The plan.
    type: dict
    required: true
  passwords:
    description: Passwords in clear text, by user.
    type: dict
    required: true
  trusted:
    description: Certificates that servers are verified with, as PEM text. Written beside the others as C(ca.crt).
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Leave the connections for programs and for psql
  pgtier.cluster.connections:
    directory: "{{ inventory_dir }}/secrets"
    plan: "{{ pgtier_plan }}"
    passwords: "{{ pgtier_secrets.users }}"
  run_once: true
"""

RETURN = r"""
files:
  description: The files.
  returned: success
  type: list
  elements: str
files_changed:
  description: Those that were written, or would be.
  returned: success
  type: list
  elements: str
"""
