#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What a Patroni cluster looks like now."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_info
short_description: Leader, members, lag and mode of a Patroni cluster
version_added: 0.1.0
description:
  - Asks one member of a cluster for the whole cluster, as the DCS has it, and for the dynamic configuration.
  - Lags are as old as the members' last report, up to C(loop_wait) seconds.
    For exact ones ask the servers with M(pgtier.cluster.replication_info).
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
attributes:
  diff_mode:
    support: none
seealso:
  - module: pgtier.cluster.replication_info
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: See who leads
  pgtier.cluster.patroni_info:
    urls: [http://10.0.0.11:8008, http://10.0.0.12:8008]
  register: cluster
  run_once: true

- name: Say it
  ansible.builtin.debug:
    msg: "{{ cluster.leader }} leads on timeline {{ cluster.timeline }}"
"""

RETURN = r"""
scope:
  description: Name of the cluster.
  returned: success
  type: str
leader:
  description: Name of the leader, null if there is none.
  returned: success
  type: str
timeline:
  description: Timeline of the leader, null if there is none.
  returned: success
  type: int
paused:
  description: Whether automatic failover is paused.
  returned: success
  type: bool
synchronous_mode:
  description: V(off), V(on) or V(quorum).
  returned: success
  type: str
synchronous_standbys:
  description: Names of the members that commits wait for (in quorum mode, for one or more of them).
  returned: success
  type: list
  elements: str
scheduled_switchover:
  description: Time (C(at)), C(from) and C(to) of a scheduled switchover, null if there is none.
  returned: success
  type: dict
pending_restart:
  description: Members whose PostgreSQL waits for a restart, and for the sake of which parameters.
  returned: success
  type: list
  elements: dict
members:
  description: All members, by name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the member.
      type: str
    role:
      description: V(leader), V(standby_leader), V(sync_standby), V(quorum_standby) or V(replica).
      type: str
    state:
      description: V(running) on a leader, V(streaming) on a replica that is well, else what Patroni says.
      type: str
    host:
      description: Address of its PostgreSQL, null until it runs.
      type: str
    port:
      description: Port of its PostgreSQL, null until it runs.
      type: int
    api_url:
      description: Address of its REST API.
      type: str
    timeline:
      description: Its timeline, null while it is unknown.
      type: int
    lag_bytes:
      description: Bytes of WAL it is behind the leader, null on the leader and while it is unknown.
      type: int
    tags:
      description: Patroni tags of the member.
      type: dict
    pending_restart:
      description: Whether its PostgreSQL waits for a restart.
      type: bool
    pending_restart_parameters:
      description: Parameters that the restart is for, with their C(old_value) and C(new_value).
      type: dict
config:
  description: The dynamic configuration.
  returned: success
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import (
    parse,
    pending_restarts,
    synchronous_mode,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
    )
    try:
        client = client_of(module.params)
        cluster, config = parse(client.cluster()), client.config()
    except (PatroniError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=False,
        **cluster,
        synchronous_mode=synchronous_mode(config),
        pending_restart=pending_restarts(cluster["members"]),
        config=config,
    )


if __name__ == "__main__":
    main()
