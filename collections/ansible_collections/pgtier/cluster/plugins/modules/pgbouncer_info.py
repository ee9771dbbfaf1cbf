#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What the PgBouncer instances of a host say."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_info
short_description: Pools, statistics, clients and settings of PgBouncer instances
version_added: 0.1.0
description:
  - Asks each PgBouncer instance of this host over its Unix socket. C(psql) has to be installed.
options:
  show:
    description: What to ask for. C(clients) and C(servers) list every connection and can be long.
    type: list
    elements: str
    choices: [pools, stats, databases, clients, servers, config, lists, users, state]
    default: [state, databases, pools, stats]
  timeout:
    description: Seconds to wait for one instance.
    type: float
    default: 10.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.pgbouncer
attributes:
  diff_mode:
    support: none
seealso:
  - module: pgtier.cluster.pgbouncer_admin
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Look at the pools of the application's endpoint
  pgtier.cluster.pgbouncer_info:
    instances: [primary]
    show: [pools]
  become: true
  register: pgbouncer

- name: Say how many clients wait for a server
  ansible.builtin.debug:
    msg: "{{ pgbouncer.instances.primary.pools | sum(attribute='cl_waiting') }}"
"""

RETURN = r"""
instances:
  description:
    - The instances by name. Each has its C(port) and what O(show) asked for, with PgBouncer's own column names.
    - C(config) and C(state) are dicts, the others lists of rows. Integers are integers, what is not set is null.
  returned: success
  type: dict
  sample:
    primary:
      port: 6432
      pools: [{"database": "app", "user": "app", "cl_active": 2, "cl_waiting": 0, "sv_active": 1}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import SHOWN, choose, discover
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "instances": {"type": "list", "elements": "str", "default": []},
            "socket_directory": {"type": "path", "default": "/run/pgbouncer"},
            "os_user": {"type": "str", "default": "postgres"},
            "show": {
                "type": "list",
                "elements": "str",
                "choices": list(SHOWN),
                "default": ["state", "databases", "pools", "stats"],
            },
            "timeout": {"type": "float", "default": 10.0},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        found = discover(given["socket_directory"], given["os_user"])
        chosen = choose(found, given["instances"], given["socket_directory"])
        answers = {one.name: {"port": one.port, **one.show(given["show"], given["timeout"])} for one in chosen}
    except (PsqlError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, instances=answers)


if __name__ == "__main__":
    main()
