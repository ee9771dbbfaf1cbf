#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Documentation of the action plugin of the same name, which does everything on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: certificates
short_description: Keep the certificate authority of a cluster and a certificate for each host
version_added: 0.1.0
description:
  - Makes a private CA on first use and signs a server certificate for each host, with the names and addresses that
    clients use for it. Keys are ECDSA P-256. Or uses the CA or the certificates that the user gives.
  - A certificate is issued when a host has none, when its names, addresses or use as a client changed, when the CA
    changed, when it was damaged, or when O(renew) names it. All others stay as they are, byte for byte.
  - A certificate that expired or is about to is not renewed silently. It is reported in RV(problems).
  - Everything happens on the controller. The CA's key never leaves O(directory). Two runs at once wait for each other.
  - In check mode nothing is written. What would be issued is made in memory, so it differs from run to run.
  - The result holds private keys and is hidden from the output, whether or not the task says C(no_log).
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
  idempotent:
    support: partial
    details: Hosts in O(renew) get a new certificate each time.
options:
  directory:
    description:
      - Folder of the CA. Made with mode 0700; refused when others may enter it or read a file in it.
      - It holds C(ca.crt) and C(ca.key), C(trusted.crt) with all that clients have to trust, and
        C(hosts/HOST.crt) and C(hosts/HOST.key).
    type: path
    required: true
  scope:
    description: Name of the cluster, which the CA's name holds.
    type: str
    required: true
  hosts:
    description:
      - What each host's certificate has to be good for, by the host's name. Each is a dict of C(names), a list of DNS
        names, C(addresses), a list of IPv4 and IPv6 addresses, and C(client), whether it also is a client certificate.
      - Files of hosts that are not named here are left alone.
    type: dict
    required: true
  ca_days:
    description: Days that a CA made now is valid.
    type: int
    default: 3650
  days:
    description: Days that a certificate issued now is valid. It does not outlast the CA.
    type: int
    default: 365
  refuse_days:
    description: A certificate with less left than these days is a problem.
    type: int
    default: 14
  renew:
    description: Hosts that get a new key and certificate now, or V(all).
    type: list
    elements: str
    default: []
  given_ca:
    description:
      - The user's own CA in place of one made here, a dict of PEM texts.
      - C(certificate) is all that clients have to trust, with the self-signed root of each. C(private_key) belongs to
        one of these and is never stored. It may be left out while nothing has to be signed.
      - It takes effect at once. For an overlap with a CA used before, give that one's certificate too, for a while.
    type: dict
  given:
    description:
      - The user's own certificates by host, each a dict of PEM texts. Nothing is signed for these hosts, and nothing
        of what is given is stored.
      - C(certificate) is followed by intermediate CAs, if there are any. It has to lead to a root in O(given_ca), to
        fit C(private_key), and to be made out to all names and addresses of the host; wildcards count.
    type: dict
    default: {}
  ca_rotation:
    description:
      - A stage of replacing the CA. Between two stages, bring all hosts what the result holds. A stage that already
        happened changes nothing, and one that comes too early is refused.
      - V(begin) makes the next CA, which is trusted beside the current one and signs nothing yet.
      - V(switch) makes it the current one and issues all certificates anew. Both are still trusted.
      - V(finish) ends the trust in the previous one.
      - V(none) leaves a rotation where it is, so that every other run may come in between.
    type: str
    choices: [none, begin, switch, finish]
    default: none
notes:
  - Needs the Python library C(cryptography) on the controller, 42 or newer.
seealso:
  - module: pgtier.cluster.certificates_info
"""

EXAMPLES = r"""
- name: Read the certificates, issuing those that are missing
  pgtier.cluster.certificates:
    directory: "{{ inventory_dir }}/secrets/tls"
    scope: main
    hosts:
      pg1:
        names: [pg1, pg1.example.com]
        addresses: [10.0.0.11, "fd00::11"]
        client: true
      proxy1:
        names: [proxy1, db.example.com]
        addresses: [10.0.0.21, 10.0.0.20]
  register: __tls_certificates
  no_log: true
  run_once: true

- name: Give one host a new certificate
  pgtier.cluster.certificates:
    directory: "{{ inventory_dir }}/secrets/tls"
    scope: main
    hosts: "{{ hosts }}"
    renew: [pg1]
  register: __tls_certificates
  no_log: true
  run_once: true
"""

RETURN = r"""
trusted:
  description: All CA certificates that clients and hosts have to trust, in PEM.
  returned: success
  type: str
hosts:
  description: The C(certificate), C(private_key) and C(not_after) of each host in O(hosts), by name.
  returned: success
  type: dict
issued:
  description: The hosts that got a new certificate, or would get one, and why.
  returned: success
  type: list
  elements: dict
  sample: [{"host": "pg1", "reason": "names or addresses changed: +10.0.0.20"}]
ca_made:
  description: Whether the cluster's first CA was made.
  returned: success
  type: bool
stage:
  description: How far a rotation of the CA has come, C(none), C(begun) or C(switched).
  returned: success
  type: str
problems:
  description: Certificates that a run should be refused for, each with what to do.
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
