# SPDX-License-Identifier: Apache-2.0
"""Where connections go and which have to end: decisions without I/O."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# Of `show servers state`: srv_op_state, and srv_check_status before the first check, and of an answer other than the
# wanted one. Not srv_check_result: it is unknown again while a check is under way, which with a dead host is always.
RUNNING = "2"
UNCHECKED = ("0", "1")
SAID_NO = "17"
# No connection at all, which the kernel there, or one on the way, has said at once: nobody listens, or no such host.
REFUSED = "8"
# How long a primary whose Patroni has died keeps its clients, seconds from the first refusal. systemd starts Patroni
# again within a second or two, on a busy host within some. It has to be less than Patroni's shortest ttl, 20 s, less a
# round of its loop: a Patroni that stays dead loses the lead then, and no client shall be left behind when another is
# promoted.
GRACE = 10.0

Row = dict[str, str]


class Server(NamedTuple):
    address: str
    port: int


# Passwords are looked up by way of HAProxy on this host, which sees to its connections itself.
LOOKUP = Server("127.0.0.1", 0)


class Seen(NamedTuple):
    """A backend as HAProxy sees it: who gets new connections, who is up at all (drained ones too), and what the last
    check of each found, whether it is down for it or not yet."""

    serving: list[Server]
    up: list[Server]
    checks: dict[Server, str] = {}

    @property
    def refusing(self) -> list[Server]:
        """Those that are down and whose Patroni answers that they are not fit: PostgreSQL there has closed its
        connections by itself, or goes on with them."""
        return [server for server, said in self.checks.items() if said == SAID_NO and server not in self.up]


def seen(state: str) -> Seen | None:
    """The answer to `show servers state BACKEND`. None while not every server has been checked: HAProxy takes all for
    up when it begins; nor from one that ended before it answered."""
    if not state:
        return None
    lines = state.splitlines()
    header = next((line[2:].split() for line in lines if line.startswith("# ")), None)
    if header is None:
        raise ValueError(f"HAProxy answered {state.strip()!r} instead of a table of servers")
    table = [line.split() for line in lines if not line.startswith("#")]
    rows = [dict(zip(header, fields, strict=True)) for fields in table if len(fields) == len(header)]
    if any(row.get("srv_check_status") in UNCHECKED and row["srv_admin_state"] == "0" for row in rows):
        return None
    up = {
        Server(row["srv_addr"], int(row["srv_port"])): row["srv_admin_state"] == "0"
        for row in rows
        if row["srv_op_state"] == RUNNING
    }
    checks = {
        Server(row["srv_addr"], int(row["srv_port"])): row["srv_check_status"]
        for row in rows
        if "srv_check_status" in row
    }
    return Seen([server for server, serving in up.items() if serving], list(up), checks)


def heard(serving: list[Server], leader: str) -> list[Server]:
    """Of several that HAProxy takes for the primary the one at the address `leader`, which says itself that it leads on
    the newest timeline; all of them while none of them does. HAProxy waits for a word from a former primary that is
    frozen or gone, for as long as a few checks take."""
    return [server for server in serving if server.address == leader] or serving


def choose(serving: list[Server] | None, last: Server | None, leader: str = "") -> Server | None:
    """The primary, or None while nobody can say.

    `serving` is None when HAProxy does not answer (it restarts): what was true a moment ago is the best guess then.
    More than one is what HAProxy says before its first checks, or while it waits for a word from a former primary: then
    it is the one that is `heard`, or the last one.
    """
    if serving is None:
        return last
    candidates = heard(serving, leader)
    if len(candidates) == 1:
        return candidates[0]
    return last if last in candidates else None


def orphaned(seen: Seen | None, primary: Server | None, since: float | None, now: float) -> float | None:
    """Since when the primary has been without a Patroni, None if it is not: from the first refused connection on.

    A Patroni that has just been started answers no until it has renewed its lead; one that answered no before it was
    refused has given up the lead in order. Any other word ends it, and so does silence: the host may be gone.
    """
    if seen is None:
        return since  # HAProxy restarts
    said = seen.checks.get(primary) if primary else None
    if said == REFUSED:
        return now if since is None else since
    return since if said == SAID_NO else None


def keeps_its_clients(serving: list[Server] | None, since: float | None, now: float) -> bool:
    """Whether a primary that has been orphaned `since` is to keep its clients: while nobody else leads, for a time."""
    return serving == [] and since is not None and now - since < GRACE


def fit(replicas: Seen | None, stale: set[str], fallback: Server | None) -> list[Server]:
    """Who may be read from: replicas that serve and are not stale, else the fallback if there is one."""
    fresh = [server for server in (replicas.serving if replicas else []) if server.address not in stale]
    return fresh or ([fallback] if fallback else [])


def in_turn(servers: Sequence[Server], connections: Counter[str]) -> list[str]:
    """Addresses with the one first that has the fewest connections. All are named: PgBouncer lets go of connections
    to an address that an answer lacks."""
    return [server.address for server in sorted(servers, key=lambda server: connections[server.address])]


class Cut(NamedTuple):
    """What to end: clients by the `ptr` that their server connection links to, and databases' idle connections."""

    clients: set[str]
    databases: set[str]


def cut(servers: Iterable[Row], alive: Sequence[Server] | None) -> Cut:
    """What of PgBouncer's server connections (SHOW SERVERS) hangs on a server that is gone.

    A linked connection falls with its client. Idle ones fall by RECONNECT, which ends logins in progress as well and
    would so bring the cached errors back: not while there is one that may succeed (state `new`), nor without anybody to
    go to. A login at a server that is gone will not, and until server_connect_timeout is over its pool begins no other.
    """
    if alive is None:
        return Cut(set(), set())
    servers = list(servers)
    allowed = {server.address for server in alive}
    gone = [row for row in servers if _is_address(row["addr"]) and row["addr"] not in allowed]
    logging_in = {row["database"] for row in servers if row["state"] == "new" and row not in gone}
    unlinked = {row["database"] for row in gone if not row["link"]}
    return Cut({row["link"] for row in gone if row["link"]}, unlinked - logging_in if alive else set())


def _is_address(text: str) -> bool:
    """PgBouncer has other words for a connection whose address is still being looked up, and for one to a peer."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def spread_anew(servers: Iterable[Row]) -> set[str] | None:
    """The databases whose connections shall be opened anew; None while a login is in progress, which would fail. Not
    that of the lookups: whoever logs in waits for those, and would fail with one that is cut short."""
    spread = [row for row in servers if row["addr"] != LOOKUP.address]
    return None if any(row["state"] == "new" for row in spread) else {row["database"] for row in spread}
