#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Patroni's dynamic configuration, and the gate that waits until a cluster is whole."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_config
short_description: Enforce Patroni's dynamic configuration and wait until the cluster is ready
version_added: 0.1.0
description:
  - Compares Patroni's dynamic configuration, which the cluster keeps in its DCS, with the wanted one and patches what
    differs. Values that only are spelled differently (V(300) and V("300"), V(true) and V("on")) are equal.
  - Then waits, without fixed pauses, until every member has applied a patch and the cluster is ready.
    Ready means a running leader, all O(members) streaming on its timeline, and in a synchronous mode
    the wanted number of synchronous standbys.
  - Reports the members whose PostgreSQL must be restarted for a parameter to take effect. It restarts nothing.
  - One run for a cluster is enough; any host that reaches the members' REST API will do.
options:
  config:
    description:
      - The wanted dynamic configuration. A key given is enforced, a key set to null is removed, others are left alone.
    type: dict
    default: {}
  exact_paths:
    description:
      - Dotted paths below which a key that O(config) does not name is removed,
        so that a parameter that was dropped from the inventory does not linger in the cluster.
    type: list
    elements: str
    default: []
  members:
    description:
      - Names of the members that must be running and streaming. Without them a running leader is enough.
    type: list
    elements: str
    default: []
  wait:
    description:
      - Seconds to wait at most, for Patroni to answer, the patch to arrive, and the cluster to be ready, all together.
      - With V(0) the module neither waits for the cluster nor judges whether it is ready.
    type: float
    default: 60.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
  - pgtier.cluster.patroni.credentials
attributes:
  check_mode:
    details:
      - If no member answers in check mode, the cluster is taken for one that is not deployed yet.
        The whole of O(config) is then predicted as a change, and RV(notes) says so.
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Enforce the plan's dynamic configuration and wait until all members stream
  pgtier.cluster.patroni_config:
    urls:
      - http://10.0.0.11:8008
      - http://10.0.0.12:8008
    user: patroni
    password: "{{ pgtier_secrets.services.patroni_restapi }}"
    config: "{{ pgtier_plan.patroni.dynamic }}"
    exact_paths: [postgresql.parameters, postgresql.pg_hba]
    members: "{{ pgtier_plan.members | list }}"
    wait: 120
  run_once: true
"""

RETURN = r"""
config:
  description: The dynamic configuration after the run (in check mode, as it would be).
  returned: success
  type: dict
patch:
  description: What was sent to Patroni, or would be. Empty if nothing differed.
  returned: success
  type: dict
  sample: {"postgresql": {"parameters": {"work_mem": "16MB", "random_page_cost": null}}}
leader:
  description: Name of the leader, null if there is none.
  returned: success
  type: str
timeline:
  description: Timeline of the leader.
  returned: success
  type: int
members:
  description: All members, as RV(pgtier.cluster.patroni_info#module:members).
  returned: success
  type: list
  elements: dict
pending_restart:
  description: Members whose PostgreSQL waits for a restart, and for the sake of which parameters.
  returned: success
  type: list
  elements: dict
  sample: [{"member": "pg1", "parameters": {"max_connections": {"old_value": "100", "new_value": "300"}}}]
notes:
  description: What a reader should know beside that.
  returned: success
  type: list
  elements: str
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, CREDENTIALS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline, converge, predict


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            **CREDENTIALS,
            "config": {"type": "dict", "default": {}},
            "exact_paths": {"type": "list", "elements": "str", "default": []},
            "members": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "float", "default": 60.0},
        },
        required_together=[("user", "password")],
        supports_check_mode=True,
    )
    wanted: dict[str, Any] = module.params
    try:
        client = client_of(wanted)
        if module.check_mode:
            result = predict(client, wanted["config"], wanted["exact_paths"])
        else:
            deadline = Deadline(wanted["wait"], time.monotonic, time.sleep)
            result = converge(client, wanted["config"], wanted["exact_paths"], wanted["members"], deadline)
    except (PatroniError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
