#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Lead clients away from a member, on a proxy."""

from __future__ import annotations

DOCUMENTATION = r"""
module: member_drain
short_description: Drain a member on a proxy, and wait until no connection leads to it
version_added: 0.1.0
description:
  - Sets the member's servers in HAProxy to the state drain. New connections go elsewhere, and pools of reads leave it
    statement by statement.
  - Then waits until no connection of a pool and no session of HAProxy leads to it, or until O(wait) is over. Clients
    that keep a session for ever are not waited for longer than that.
  - The state lasts until HAProxy is reloaded. A member that HAProxy does not know is drained.
options:
  name:
    description: Name of the member, which is that of its servers in HAProxy.
    type: str
    required: true
  address:
    description: Address of the member, by which PgBouncer's connections are told.
    type: str
    required: true
  wait:
    description: Seconds to wait at most.
    type: float
    default: 30.0
  socket:
    description: HAProxy's administration socket.
    type: path
    default: /run/haproxy/admin.sock
  pools:
    description: Folder below which the PgBouncers have their sockets.
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
    support: none
  idempotent:
    support: full
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Lead clients away
  pgtier.cluster.member_drain:
    name: pg4
    address: 10.0.0.14
  become: true
"""

RETURN = r"""
drained:
  description: Backends in which the member was drained, or would be.
  returned: success
  type: list
  elements: str
left:
  description: Connections that still led to it when the time was over.
  returned: success
  type: int
seconds:
  description: How long that was.
  returned: success
  type: float
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import discover, typed
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.haproxy import Runtime, Server


def pooled(wanted: dict[str, Any]) -> int:
    """Connections of the pools on this host that lead to the member."""
    count = 0
    for instance in discover(wanted["pools"], wanted["os_user"]).instances:
        try:
            servers = typed(instance.console.tables(["SHOW SERVERS"])[0])
        except PsqlError:  # it has just been stopped
            continue
        count += sum(1 for row in servers if row["addr"] == wanted["address"])
    return count


def connections(runtime: Runtime, servers: list[Server], wanted: dict[str, Any]) -> int:
    sessions = runtime.sessions()
    direct = sum(sessions.get((server.backend, server.name), 0) for server in servers)
    # PgBouncer is asked by a program of its own for each of its processes: last, and only if nothing else is left.
    return direct or pooled(wanted)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "wait": {"type": "float", "default": 30.0},
            "socket": {"type": "path", "default": "/run/haproxy/admin.sock"},
            "pools": {"type": "path", "default": "/run/pgbouncer"},
            "os_user": {"type": "str", "default": "postgres"},
        },
        supports_check_mode=True,
    )
    wanted: dict[str, Any] = module.params
    runtime, begin, left = Runtime(wanted["socket"]), time.monotonic(), 0
    try:
        servers = [server for server in runtime.servers() if server.name == wanted["name"]]
        serving = [server for server in servers if server.serving]
        if not module.check_mode:
            for server in serving:
                runtime.drain(server)
            if servers:
                while (left := connections(runtime, servers, wanted)) and time.monotonic() - begin < wanted["wait"]:
                    time.sleep(0.5)
    except (OSError, ValueError, PsqlError) as error:
        module.fail_json(msg=f"{wanted['socket']}: {error}. See `systemctl status haproxy` on this host")
    module.exit_json(
        changed=bool(serving),
        drained=[server.backend for server in serving],
        left=left,
        seconds=round(time.monotonic() - begin, 1),
    )


if __name__ == "__main__":
    main()
