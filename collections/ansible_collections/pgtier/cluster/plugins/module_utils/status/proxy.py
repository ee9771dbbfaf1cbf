# SPDX-License-Identifier: Apache-2.0
"""Ask what serves the endpoints on a proxy host: each PgBouncer, HAProxy, and the route for where connections go."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.haproxy import ask, parse_stat
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import Instance
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError

# The route holds a question back while nobody is fit; that is told from a route that is away, which refuses at once.
HELD_AFTER = 1.5
_A, _AAAA = 1, 28


def pgbouncers(
    instances: Sequence[Mapping[str, Any]], socket_directory: str, os_user: str, timeout: float
) -> dict[str, Any]:
    """`pools`, `databases` and `state` of each instance, or its `error`."""

    def one(instance: Mapping[str, Any]) -> dict[str, Any]:
        console = Psql(f"{socket_directory}/{instance['name']}", instance["port"], "pgbouncer", os_user, "pgbouncer")
        try:
            return Instance(instance["name"], instance["port"], console).show(["state", "databases", "pools"], timeout)
        except PsqlError as error:
            return {"error": str(error)}

    if not instances:
        return {}
    with ThreadPoolExecutor(len(instances)) as pool:
        return dict(zip((one["name"] for one in instances), pool.map(one, instances), strict=True))


def haproxy(path: str) -> dict[str, Any]:
    """{"backends": {backend: {server: status}}} in HAProxy's words (UP, DOWN, DRAIN, MAINT, no check), or `error`."""
    try:
        answer = ask(path, "show stat", 2)
    except OSError as error:
        return {"error": f"{path}: {error}"}
    return {"backends": backends(parse_stat(answer))}


def backends(rows: Iterable[Mapping[str, str]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["pxname"], {})[row["svname"]] = row["status"]
    return found


def route(port: int, names: Iterable[str]) -> dict[str, Any]:
    """{name: {"addresses": […]}} as PgBouncer would be answered now, {"held": true} or {"error": …}."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    with ThreadPoolExecutor(len(wanted)) as pool:
        return dict(zip(wanted, pool.map(lambda name: _resolve(port, name), wanted), strict=True))


def _resolve(port: int, name: str) -> dict[str, Any]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(HELD_AFTER)
        try:
            connection.connect(("127.0.0.1", port))
            for kind in (_A, _AAAA):
                connection.send(question(name, kind))
                if found := addresses(connection.recv(4096)):
                    break
            return {"addresses": found}
        except TimeoutError:
            return {"held": True}
        except OSError as error:
            return {"error": str(error)}


def question(name: str, kind: int) -> bytes:
    """A DNS query: the route answers with those of its addresses that are of the type asked for."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)


def addresses(reply: bytes) -> list[str]:
    """The addresses in an answer, whose names are pointers, as the route writes them. Loopback is the route's relay."""
    count = int(struct.unpack_from("!H", reply, 6)[0])
    at = reply.index(b"\0", 12) + 5
    found = []
    for _number in range(count):
        size = int(struct.unpack_from("!H", reply, at + 10)[0])
        found.append(ipaddress.ip_address(reply[at + 12 : at + 12 + size]))
        at += 12 + size
    return [str(one) for one in found if not one.is_loopback]
