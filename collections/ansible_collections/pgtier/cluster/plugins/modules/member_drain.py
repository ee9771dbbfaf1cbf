#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Lead connections away from a member, on a proxy, and back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: member_drain
short_description: Take a member out of the endpoints, and put it back
version_added: 0.1.0
description:
  - Run it on every proxy. It tells the HAProxy of the host, which PgBouncer's pools of reads go by.
  - HAProxy keeps it in mind until it is reloaded, so an interrupted operation leaves a member drained. Running
    V(ready) puts that right.
options:
  member:
    description: The member, by the name that HAProxy has for it.
    type: str
    required: true
  state:
    description:
      - V(drained) takes a replica out for a while. It returns when none of O(instances) has a connection to it any
        more. Statements under way end in their time, and no client notices. What a replica is left with are sessions,
        of pools in session mode and of direct ports; they stay until they end, or the replica does.
      - V(ready) puts it back, and returns when HAProxy takes it for fit.
      - V(leaving) is for a member that is about to be removed from the cluster. It is taken out of all backends, and
        sessions are waited for as well, of every PgBouncer and of HAProxy. Those that are still there when the time is
        over are counted, and the member stays out. One that HAProxy does not know has left already.
    type: str
    choices: [drained, ready, leaving]
    required: true
  backends:
    description: HAProxy's backends that lead to replicas. V(leaving) takes all that there are.
    type: list
    elements: str
    default: [replica]
  instances:
    description: PgBouncer instances of reads in transaction mode, by name, that V(drained) waits for.
    type: list
    elements: str
    default: []
  wait:
    description:
      - Seconds to wait at most, for connections to end, or with V(ready) for HAProxy's checks.
      - If statements are still under way by then, V(drained) puts the replica back, and the module fails.
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
seealso:
  - module: pgtier.cluster.patroni_member
  - module: pgtier.cluster.member_forget
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Send no more reads to pg2
  pgtier.cluster.member_drain:
    member: pg2
    state: drained
    instances: [replica]
  become: true

- name: Lead everybody away from pg4, which is to be removed
  pgtier.cluster.member_drain:
    member: pg4
    state: leaving
    wait: 30
  become: true
"""

RETURN = r"""
commands:
  description: What HAProxy was told, or would be.
  returned: success
  type: list
  elements: str
  sample: [set server replica/pg2 state drain]
left:
  description: Connections that still led to a member that is V(leaving), when the time was over.
  returned: success
  type: int
seconds:
  description: How long was waited.
  returned: success
  type: float
"""

import time
from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils import drain, haproxy
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance, choose, discover
from ansible_collections.pgtier.cluster.plugins.module_utils.plan import pooler_databases
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError


class StillBusy(Exception):
    """It is not what it was to be in time."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "member": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["drained", "ready", "leaving"], "required": True},
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
    path, state, left, begin = given["haproxy_socket"], given["state"], 0, time.monotonic()
    try:
        seen = haproxy.servers(path, None if state == "leaving" else given["backends"])
        own = [server for server in seen if server.name == given["member"]]
        told = drain.plan(state, given["member"], seen)
        commands = drain.commands(state, told)
        if not module.check_mode:
            haproxy.tell(path, commands)
            wait = Deadline(given["wait"], time.monotonic, time.sleep)
            if state == "ready":
                _await_serving(given, wait)
            elif state == "drained":
                _await_statements(given, own, told, wait)
            elif own:
                left = _await_everybody(given, own, wait)
    except (haproxy.HaproxyError, PsqlError, StillBusy, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(told),
        commands=commands,
        left=left,
        seconds=round(time.monotonic() - begin, 1),
        diff=drain.diff(state, own, told),
    )


def _await_statements(
    given: dict[str, Any], own: Sequence[haproxy.Server], told: Sequence[haproxy.Server], wait: Deadline
) -> None:
    instances: list[Instance] = []
    if given["instances"]:
        found = discover(given["socket_directory"], given["os_user"])
        instances = choose(found, given["instances"], given["socket_directory"])
    _renew_lookups(instances, wait)

    def count() -> dict[str, int]:
        return {one.name: drain.pooled(one.show(["servers"])["servers"], own) for one in instances}

    if left := drain.await_none(count, wait):
        haproxy.tell(given["haproxy_socket"], drain.commands("ready", told))
        busy = ", ".join(f"{number} of {name}" for name, number in left.items())
        raise StillBusy(
            f"after {wait.seconds:g} s statements still run on {given['member']} in connections of pools ({busy}), "
            "so it is put back; see what they are (pg_stat_activity there), and wait for them or end them"
        )


def _renew_lookups(instances: Sequence[Instance], wait: Deadline) -> None:
    """Passwords are looked up by way of HAProxy, over a connection that a drained server keeps."""
    left = list(instances)

    def renewed() -> bool | None:
        for one in [one for one in left if drain.lookups_rest(one.show(["servers"])["servers"])]:
            one.console.execute(f'RECONNECT "{pooler_databases.LOOKUP}"')
            left.remove(one)
        return None if left else True

    wait.poll(renewed)


def _await_everybody(given: dict[str, Any], own: Sequence[haproxy.Server], wait: Deadline) -> int:
    def pooled() -> int:
        count = 0
        for instance in discover(given["socket_directory"], given["os_user"]).instances:
            try:
                count += drain.pooled(instance.show(["servers"])["servers"], own)
            except PsqlError:  # it has just been stopped
                continue
        return count

    def count() -> dict[str, int]:
        # PgBouncer is asked by a program of its own for each of its processes: last, and only if nothing else is left.
        rows = haproxy.parse_stat(haproxy.command(given["haproxy_socket"], "show stat"))
        return {"all": drain.direct(rows, own) or pooled()}

    return sum(drain.await_none(count, wait).values())


def _await_serving(given: dict[str, Any], wait: Deadline) -> None:
    seen: list[haproxy.Server] = []

    def serves() -> bool | None:
        every = haproxy.servers(given["haproxy_socket"], given["backends"])
        seen[:] = [server for server in every if server.name == given["member"]]
        return True if seen and all(server.serves for server in seen) else None

    if wait.poll(serves) is None:
        states = ", ".join(f"{server.backend}: {drain.described(server)}" for server in seen)
        raise StillBusy(
            f"after {wait.seconds:g} s HAProxy does not take {given['member']} for fit ({states}); "
            "it may be too far behind. See `patronictl list`, and /replica of its Patroni"
        )


if __name__ == "__main__":
    main()
