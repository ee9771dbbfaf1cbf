#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What every Patroni and every etcd member of a cluster says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status
short_description: Ask all members of a cluster and of its etcd at once
version_added: 0.1.0
description:
  - Runs on one host and asks all others from there. Who does not answer is told, and is no failure of the module.
  - Answers are given as they came. The filter P(pgtier.cluster.status#filter) makes sense of them.
options:
  patroni:
    description: REST API addresses by the members' names.
    type: dict
    required: true
  etcd:
    description: Client addresses by the etcd members' names.
    type: dict
    default: {}
  cafile:
    description: Certificates that all are verified with, a file on the host where the module runs. Without it
      nothing is encrypted.
    type: path
  certificate:
    description: Certificate that this host proves itself to etcd with. Where there is none, etcd cannot be asked, which
      is told.
    type: path
  key:
    description: The key of O(certificate).
    type: path
  timeout:
    description: Seconds for one answer.
    type: float
    default: 3.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
seealso:
  - module: pgtier.cluster.proxy_status
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Ask the cluster
  pgtier.cluster.cluster_status:
    patroni: {pg1: "https://10.0.0.11:8008", pg2: "https://10.0.0.12:8008"}
    etcd: {pg1: "https://10.0.0.11:2379", pg2: "https://10.0.0.12:2379"}
    cafile: /etc/pgtier/ca.crt
    certificate: /etc/patroni/tls/host.crt
    key: /etc/patroni/tls/host.key
  become: true
"""

RETURN = r"""
patroni:
  description: What C(/cluster) of the first member that knows it says, and C(/patroni) of each.
  returned: success
  type: dict
etcd:
  description: Status and health of each etcd member, and the list that one of them has of all; or why it could not be
    asked, as C(error).
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.status import ask


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "patroni": {"type": "dict", "required": True},
            "etcd": {"type": "dict", "default": {}},
            "cafile": {"type": "path"},
            "certificate": {"type": "path"},
            "key": {"type": "path", "no_log": False},
            "timeout": {"type": "float", "default": 3.0},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        patroni = ask.patroni(given["patroni"], ask.trusting(given["cafile"]), given["timeout"])
    except OSError as error:
        module.fail_json(msg=f"cafile {given['cafile']} cannot be used: {error}")
    try:
        context = ask.trusting(given["cafile"], given["certificate"], given["key"])
    except OSError as error:
        etcd = {"error": f"there is no certificate to prove this host to etcd with: {given['certificate']}: {error}"}
    else:
        etcd = ask.etcd(given["etcd"], context, given["timeout"])
    module.exit_json(changed=False, patroni=patroni, etcd=etcd)


if __name__ == "__main__":
    main()
