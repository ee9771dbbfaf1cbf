#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""One host's membership of etcd."""

from __future__ import annotations

DOCUMENTATION = r"""
module: etcd_member
short_description: Make a host a member of a running etcd cluster, or take it out
version_added: 0.1.0
description:
  - With O(state=present) this host, which must have etcd's configuration already, joins the cluster as a learner,
    which has no vote, and gets its vote when it has caught up. No other member is restarted.
    It runs on the host that joins.
  - With O(state=absent) the member is removed from the cluster's list. It runs on any other member, and works for a
    host that is gone. It is refused when the members that stay would have no quorum.
  - Reads what is, and does what is left. A run that was interrupted anywhere is finished by the next.
  - Data of a former membership is moved to C(<data_directory>.former), for a new member must begin without.
options:
  name:
    description: Name of the member.
    type: str
    required: true
  peer_url:
    description: URL at which the others reach it.
    type: str
    required: true
  state:
    description: Whether it is to be a member.
    type: str
    choices: [present, absent]
    default: present
  endpoints:
    description: Client URLs of members that are there. One that answers is enough.
    type: list
    elements: str
    required: true
  cafile:
    description: Certificates that servers are verified with.
    type: path
  certfile:
    description: Certificate that proves this host to etcd.
    type: path
  keyfile:
    description: Key of O(certfile).
    type: path
  data_directory:
    description: Where the member's data is. Needed to join.
    type: path
  wait:
    description: Seconds to wait at most until the member has caught up.
    type: float
    default: 120.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  check_mode:
    details: Refusals are those of a real run. On a host without etcdctl or its certificate every step is foreseen.
  diff_mode:
    support: none
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Join etcd, as a learner first
  pgtier.cluster.etcd_member:
    name: pg4
    peer_url: https://10.0.0.14:2380
    endpoints: [https://10.0.0.11:2379, https://10.0.0.12:2379]
    cafile: /etc/etcd/tls/ca.crt
    certfile: /etc/etcd/tls/host.crt
    keyfile: /etc/etcd/tls/host.key
    data_directory: /var/lib/etcd/pgtier
  become: true
  throttle: 1
"""

RETURN = r"""
steps:
  description: What was done, or would be, in this order.
  returned: success
  type: list
  elements: str
  sample: [add, start, promote]
note:
  description: What is worth knowing beside that.
  returned: success
  type: str
"""

import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.scale import etcd, etcdctl


def join(client: etcdctl.Etcdctl, wanted: dict[str, Any], check: bool) -> dict[str, Any]:
    name, peer_url, data = wanted["name"], wanted["peer_url"], Path(wanted["data_directory"])
    installed = shutil.which("etcdctl") and (not wanted["certfile"] or Path(wanted["certfile"]).exists())
    if check and not installed:
        return {"changed": True, "steps": ["add", "start", "promote"], "note": ""}
    steps = etcd.plan_join(client.members(), name, peer_url, (data / "member").exists())
    if check or not steps:
        if not check:
            etcdctl.forget_joining()
        return {"changed": bool(steps), "steps": steps, "note": ""}
    if "set_aside" in steps:
        etcdctl.systemctl("stop", "etcd.service")
        etcdctl.set_aside(data)
    if "add" in steps:
        client.add_learner(name, peer_url)
    etcdctl.start_joining(etcd.initial_cluster(client.members(), name, peer_url))

    def arrived() -> str:
        mine = etcd.own(client.members(), peer_url)
        if mine is None:
            return "it has been removed from etcd meanwhile"
        if not mine.name:
            return "it has not started"
        return client.promote(mine) if mine.learner else ""

    if problem := etcdctl.wait(wanted["wait"], arrived):
        raise etcdctl.EtcdError(
            f"{name} has not become a member of etcd with a vote within {wanted['wait']:g} s: {problem}. "
            "See `journalctl -u etcd` on it; run this again when that is mended"
        )
    etcdctl.forget_joining()
    return {"changed": True, "steps": steps, "note": ""}


def leave(client: etcdctl.Etcdctl, wanted: dict[str, Any], check: bool) -> dict[str, Any]:
    members = client.members()
    urls = [url for member in members if not member.learner for url in member.client_urls]
    mine, note = etcd.plan_leave(members, wanted["name"], wanted["peer_url"], client.healthy(urls))
    if mine and not check:
        client.remove(mine)
    return {"changed": mine is not None, "steps": ["remove"] if mine else [], "note": note}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "peer_url": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "endpoints": {"type": "list", "elements": "str", "required": True},
            "cafile": {"type": "path"},
            "certfile": {"type": "path"},
            "keyfile": {"type": "path", "no_log": False},
            "data_directory": {"type": "path"},
            "wait": {"type": "float", "default": 120.0},
        },
        required_if=[("state", "present", ["data_directory"])],
        supports_check_mode=True,
    )
    wanted: dict[str, Any] = module.params
    files = (wanted["cafile"] or "", wanted["certfile"] or "", wanted["keyfile"] or "")
    client = etcdctl.Etcdctl(wanted["endpoints"], *files)
    act = join if wanted["state"] == "present" else leave
    try:
        result = act(client, wanted, module.check_mode)
    except (etcdctl.EtcdError, etcd.EtcdRefusal, OSError) as error:
        module.fail_json(msg=f"{wanted['name']}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
