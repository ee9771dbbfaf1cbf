"""The part of the plan's shape that is about the virtual address."""

from __future__ import annotations

from typing import TypedDict


class PoolQuery(TypedDict):
    """A pool that leads to the primary, and the login that a query is passed through it with. `ca_file` verifies
    PgBouncer, `""` without TLS."""

    host: str
    port: int
    database: str
    user: str
    ca_file: str


class ProxyCheck(TypedDict):
    """What the check on each proxy goes by. `address` tells it whether it has the virtual address; `consoles` are the
    ports of PgBouncer's processes, by the directories of their Unix sockets. `query` is None where no pool leads to the
    primary."""

    address: str
    weight_file: str
    drained_file: str
    password_file: str
    haproxy: str
    consoles: dict[str, int]
    query: PoolQuery | None


class Keepalived(TypedDict):
    """The address that moves between the proxies, `""` for none. `proxies` are all of them with their own addresses,
    `interfaces` what takes the virtual one there (`""` while a host has not been asked)."""

    address: str
    router_id: int
    priority: int
    advert_seconds: float
    proxies: dict[str, str]
    interfaces: dict[str, str]
    check: ProxyCheck
