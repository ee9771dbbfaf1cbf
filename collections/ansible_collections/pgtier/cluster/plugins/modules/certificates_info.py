#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin of the same name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: certificates_info
short_description: Tell when the certificates of a cluster expire
version_added: 0.1.0
description:
  - Reads the certificates that M(pgtier.cluster.certificates) keeps on the controller. No key is read and nothing is
    hidden from the output. Without a folder there is nothing to tell.
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
options:
  directory:
    description: Folder of the CA. Refused when others than its owner may enter it or read a certificate in it.
    type: path
    required: true
  given_certificates:
    description: Certificates in PEM that the user gave for hosts, by host. They win over stored ones.
    type: dict
    default: {}
  hosts:
    description: Hosts to tell of. Default is all that the folder holds, those that left the cluster too.
    type: list
    elements: str
  refuse_days:
    description: A certificate with less left than these days is a problem.
    type: int
    default: 14
seealso:
  - module: pgtier.cluster.certificates
"""

EXAMPLES = r"""
- name: Look at the certificates
  pgtier.cluster.certificates_info:
    directory: "{{ inventory_dir }}/secrets/tls"
  register: certificates
  run_once: true

- name: Show when they expire
  ansible.builtin.debug:
    msg: "{{ certificates.expiry }}"
  run_once: true
"""

RETURN = r"""
stage:
  description: How far a rotation of the CA has come, C(none), C(begun) or C(switched).
  returned: success
  type: str
problems:
  description: Certificates that expired, are about to, or cannot be read, each with what to do.
  returned: success
  type: list
  elements: str
expiry:
  description: When each certificate expires. C(days_left) is rounded down.
  returned: success
  type: list
  elements: dict
  sample: [{"what": "host pg1", "not_after": "2027-01-31T12:00:00Z", "days_left": 364}]
"""
