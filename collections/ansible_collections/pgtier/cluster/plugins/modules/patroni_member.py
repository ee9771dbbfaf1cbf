#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Restart members of a cluster, or make one from scratch."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_member
short_description: Restart a member's PostgreSQL, or copy it anew
version_added: 0.1.0
description:
  - Restarts PostgreSQL of one member, or throws its data away and copies the leader's, through Patroni, and waits
    until every member streams again and, in a synchronous mode, vouches for commits again.
  - Any host that reaches the members' REST API will do.
options:
  action:
    description:
      - V(order) only says which members of O(hosts) await a restart, and in which order they are to have it.
      - V(restart) restarts O(member).
      - V(reinit) destroys the data of O(member) and copies the leader's. The leader is refused.
        A copy that is under way is waited for and not begun anew.
    type: str
    choices: [order, restart, reinit]
    required: true
  member:
    description: The member to do it to.
    type: str
  hosts:
    description: Members that V(order) looks at. Without any, all.
    type: list
    elements: str
    default: []
  all:
    description: Whether V(order) also takes members that do not await a restart.
    type: bool
    default: false
  wait:
    description: Seconds to wait at most. Copying a large database takes its time.
    type: float
    default: 120.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
  - pgtier.cluster.patroni.credentials
attributes:
  diff_mode:
    support: none
  idempotent:
    support: none
    details: V(restart) and V(reinit) do it each time; V(order) says whether there is anything to do.
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: See what awaits a restart
  pgtier.cluster.patroni_member:
    action: order
    urls: "{{ pgtier_plan.patroni.urls }}"
    cafile: "{{ pgtier_plan.patroni.cafile }}"
  run_once: true
  register: order

- name: Restart the replicas
  pgtier.cluster.patroni_member:
    action: restart
    member: "{{ item }}"
    urls: "{{ pgtier_plan.patroni.urls }}"
    cafile: "{{ pgtier_plan.patroni.cafile }}"
    user: patroni
    password: "{{ pgtier_secrets.services.patroni_restapi }}"
  run_once: true
  loop: "{{ order.replicas }}"
"""

RETURN = r"""
replicas:
  description: Members to restart one after the other, before the leader.
  returned: with O(action=order)
  type: list
  elements: str
leader:
  description: The leader, if it is to be restarted.
  returned: with O(action=order)
  type: str
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import member, rolling
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, CREDENTIALS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.choice import Refused
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import parse
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            **CREDENTIALS,
            "action": {"type": "str", "choices": ["order", "restart", "reinit"], "required": True},
            "member": {"type": "str"},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "all": {"type": "bool", "default": False},
            "wait": {"type": "float", "default": 120.0},
        },
        required_if=[("action", "restart", ["member"]), ("action", "reinit", ["member"])],
        required_together=[("user", "password")],
        supports_check_mode=True,
    )
    given = module.params
    try:
        client = client_of(given)
        cluster, config = parse(client.cluster()), client.config()
        if given["action"] == "order":
            module.exit_json(changed=False, **rolling.order(cluster, given["hosts"], given["all"]))
        if given["action"] == "restart":
            rolling.order(cluster, [given["member"]], everything=True)
        elif reasons := rolling.against_reinit(cluster, given["member"]):
            raise Refused(reasons)
        if not module.check_mode:
            do = member.restart if given["action"] == "restart" else member.reinit
            do(client, given["member"], cluster, config, Deadline(given["wait"], time.monotonic, time.sleep))
    except Refused as error:
        listed = "".join(f"\n- {reason}" for reason in error.reasons)
        module.fail_json(msg=f"{given['action']} is refused, and nothing was done:{listed}", reasons=error.reasons)
    except (PatroniError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=True)


if __name__ == "__main__":
    main()
