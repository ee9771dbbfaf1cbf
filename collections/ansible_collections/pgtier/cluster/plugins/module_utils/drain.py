"""Leading connections away from a member, on a proxy, and back: what HAProxy is to be told, and who is still there.

A member is `ready`; or `drained`, for a while and from some backends; or `leaving` the cluster, and then whoever names
it wants it out everywhere, whatever state it is in by now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.haproxy import DRAINED, MAINTENANCE, Server
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import Deadline
from ansible_collections.pgtier.cluster.plugins.module_utils.plan import pooler_databases


def plan(state: str, name: str, seen: Sequence[Server]) -> list[Server]:
    """The servers that HAProxy is to be told of, among all that it has. Raises ValueError."""
    own = [server for server in seen if server.name == name]
    if state == "leaving":
        return [server for server in own if not server.admin]
    if not own:
        known = ", ".join(sorted({server.name for server in seen}))
        raise ValueError(f"HAProxy has no server {name} for reads; it has {known or 'none'}")
    if state == "ready":
        return [server for server in own if server.admin]
    if kept := [server.backend for server in own if server.admin & MAINTENANCE]:
        raise ValueError(
            f"somebody has put {name} into maintenance in {', '.join(kept)}; end that first, with "
            f"`set server {kept[0]}/{name} state ready` at HAProxy's socket"
        )
    return [server for server in own if not server.admin & DRAINED]


def commands(state: str, servers: Iterable[Server]) -> list[str]:
    word = "ready" if state == "ready" else "drain"
    return [f"set server {server.backend}/{server.name} state {word}" for server in servers]


def described(server: Server) -> str:
    if server.admin & DRAINED:
        return "drained"
    if server.admin:
        return f"in maintenance ({server.admin})"
    return "ready" if server.up else "down"


def diff(state: str, own: Sequence[Server], told: Sequence[Server]) -> dict[str, dict[str, str]]:
    before = {server.backend: described(server) for server in own}
    after = dict.fromkeys((server.backend for server in told), "ready" if state == "ready" else "drained")
    return {"before": before, "after": before | after}


def direct(rows: Iterable[Mapping[str, str]], own: Iterable[Server]) -> int:
    """Sessions of HAProxy that lead to the member, of its `show stat`."""
    servers = {(server.backend, server.name) for server in own}
    return sum(int(row["scur"]) for row in rows if (row["pxname"], row["svname"]) in servers)


def pooled(rows: Iterable[Mapping[str, Any]], own: Iterable[Server]) -> int:
    """Connections of a PgBouncer that lead to the member, of its SHOW SERVERS."""
    addresses = {server.address for server in own}
    return sum(row["addr"] in addresses for row in rows)


def lookups_rest(rows: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no login for a lookup of passwords is under way, by SHOW SERVERS. RECONNECT makes such a login fail, and
    with it each client that waits for it or comes before the next one ("connect string changed")."""
    return not any(row["database"] == pooler_databases.LOOKUP and row["state"] == "new" for row in rows)


def await_none(count: Callable[[], dict[str, int]], wait: Deadline) -> dict[str, int]:
    """Count until nothing is left, or the time is over. Returns what was left then, without zeros."""
    left: dict[str, int] = {}

    def gone() -> bool | None:
        left.clear()
        left.update((what, number) for what, number in count().items() if number)
        return None if left else True

    wait.poll(gone)
    return left
