#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Patroni's maintenance mode."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_maintenance
short_description: Begin or end Patroni's maintenance mode
version_added: 0.1.0
description:
  - In maintenance mode Patroni neither fails over nor starts or stops PostgreSQL by itself.
  - Waits until every member knows. A member that does not know yet would still act.
options:
  state:
    description: V(paused) begins it, V(normal) ends it.
    type: str
    choices: [paused, normal]
    required: true
  wait:
    description: Seconds to wait until every member knows.
    type: float
    default: 60.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
  - pgtier.cluster.patroni.credentials
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Keep Patroni from acting by itself
  pgtier.cluster.patroni_maintenance:
    state: paused
    urls: "{{ pgtier_plan.patroni.urls }}"
    cafile: "{{ pgtier_plan.patroni.cafile }}"
    user: patroni
    password: "{{ pgtier_secrets.services.patroni_restapi }}"
  run_once: true
"""

RETURN = r""" # """

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import member
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, CREDENTIALS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import parse
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            **CREDENTIALS,
            "state": {"type": "str", "choices": ["paused", "normal"], "required": True},
            "wait": {"type": "float", "default": 60.0},
        },
        required_together=[("user", "password")],
        supports_check_mode=True,
    )
    given = module.params
    paused = given["state"] == "paused"
    try:
        client = client_of(given)
        cluster = parse(client.cluster())
        needed = cluster["paused"] != paused
        if not module.check_mode:
            if needed:
                member.set_maintenance(client, paused)
            # Also if it was set before: whoever did may have been interrupted here.
            wait = Deadline(given["wait"], time.monotonic, time.sleep)
            member.await_maintenance(client, cluster["members"], paused, wait)
    except (PatroniError, ValueError) as error:
        module.fail_json(msg=str(error))
    before = "paused" if cluster["paused"] else "normal"
    module.exit_json(changed=needed, diff={"before": f"state: {before}\n", "after": f"state: {given['state']}\n"})


if __name__ == "__main__":
    main()
