#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Take a replica out of the read endpoints of a proxy, or put it back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: replica_drain
short_description: Take a replica out of the read endpoints, and put it back
version_added: 0.1.0
description:
  - Run it on every proxy. It tells the HAProxy of the host, which PgBouncer's pools of reads go by.
  - V(drained) returns when no pool in transaction mode has a connection to the replica any more.
    Statements under way end in their time, and no client notices. What a replica is left with are sessions, of pools in
    session mode and of direct ports; they stay until they end, or the replica does.
  - HAProxy keeps it in mind until it is reloaded, so an interrupted operation leaves a replica drained. Running
    V(ready) puts that right.
options:
  member:
    description: The replica.
    type: str
    required: true
  state:
    description: What it is to be.
    type: str
    choices: [drained, ready]
    required: true
  backends:
    description: HAProxy's backends that lead to replicas.
    type: list
    elements: str
    default: [replica]
  instances:
    description: PgBouncer instances of reads in transaction mode, by name.
    type: list
    elements: str
    default: []
  wait:
    description:
      - Seconds to wait at most, with V(drained) for the statements under way, with V(ready) for HAProxy's checks.
      - If statements are still under way by then, the replica is put back, and the module fails.
    type: float
    default: 60.0
  haproxy_socket:
    description: HAProxy's socket for administrators.
    type: path
    default: /run/haproxy/admin.sock
  socket_directory:
    description: Directory of the sockets of PgBouncer's instances.
    type: path
    default: /run/pgbouncer
  os_user:
    description: Operating system user that PgBouncer runs as.
    type: str
    default: postgres
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: pgtier.cluster.patroni_member
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Send no more reads to pg2
  pgtier.cluster.replica_drain:
    member: pg2
    state: drained
    instances: [replica]
  become: true
"""

RETURN = r"""
commands:
  description: What HAProxy was told, or would be.
  returned: success
  type: list
  elements: str
  sample: [set server replica/pg2 state drain]
"""

import time
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils import haproxy
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance, choose, discover
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError


class StillBusy(Exception):
    """It is not what it was to be in time."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "member": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready"], "required": True},
            "backends": {"type": "list", "elements": "str", "default": ["replica"]},
            "instances": {"type": "list", "elements": "str", "default": []},
            "wait": {"type": "float", "default": 60.0},
            "haproxy_socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "socket_directory": {"type": "path", "default": "/run/pgbouncer"},
            "os_user": {"type": "str", "default": "postgres"},
        },
        supports_check_mode=True,
    )
    given: dict[str, Any] = module.params
    path, name = given["haproxy_socket"], given["member"]
    try:
        seen = haproxy.servers(path, given["backends"])
        commands = haproxy.plan(given["state"], name, seen)
        if not module.check_mode:
            haproxy.tell(path, commands)
            wait = Deadline(given["wait"], time.monotonic, time.sleep)
            if given["state"] == "drained":
                _await_left(given, {server.address for server in seen if server.name == name}, commands, wait)
            else:
                _await_serving(given, wait)
    except (haproxy.HaproxyError, PsqlError, StillBusy, ValueError) as error:
        module.fail_json(msg=str(error))
    before = {server.backend: _word(server) for server in seen if server.name == name}
    after = dict.fromkeys(before, given["state"]) if commands else before
    module.exit_json(changed=bool(commands), commands=commands, diff={"before": before, "after": after})


def _await_left(given: dict[str, Any], addresses: set[str], commands: Sequence[str], wait: Deadline) -> None:
    instances: list[Instance] = []
    if given["instances"]:
        found = discover(given["socket_directory"], given["os_user"])
        instances = choose(found, given["instances"], given["socket_directory"])
    for instance in instances:
        # Passwords are looked up by way of HAProxy, over a connection that a drained server keeps.
        instance.console.execute('RECONNECT "pgbouncer_lookup"')
    left: dict[str, int] = {}

    def gone() -> bool | None:
        for instance in instances:
            servers = instance.show(["servers"])["servers"]
            left[instance.name] = sum(row["addr"] in addresses for row in servers)
        return True if not any(left.values()) else None

    if wait.poll(gone) is None:
        haproxy.tell(given["haproxy_socket"], [text.removesuffix("drain") + "ready" for text in commands])
        busy = ", ".join(f"{number} of {name}" for name, number in left.items() if number)
        raise StillBusy(
            f"after {wait.seconds:g} s statements still run on {given['member']} in connections of pools ({busy}), "
            "so it is put back; see what they are (pg_stat_activity there), and wait for them or end them"
        )


def _await_serving(given: dict[str, Any], wait: Deadline) -> None:
    seen: list[haproxy.Server] = []

    def serves() -> bool | None:
        every = haproxy.servers(given["haproxy_socket"], given["backends"])
        seen[:] = [server for server in every if server.name == given["member"]]
        return True if seen and all(server.serves for server in seen) else None

    if wait.poll(serves) is None:
        states = ", ".join(f"{server.backend}: {_word(server)}" for server in seen)
        raise StillBusy(
            f"after {wait.seconds:g} s HAProxy does not take {given['member']} for fit ({states}); "
            "it may be too far behind. See `patronictl list`, and /replica of its Patroni"
        )


def _word(server: haproxy.Server) -> str:
    if server.admin & haproxy.DRAINED:
        return "drained"
    if server.admin:
        return f"in maintenance ({server.admin})"
    return "ready" if server.up else "down"


if __name__ == "__main__":
    main()
