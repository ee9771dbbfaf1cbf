"""HAProxy: who is asked whether it is fit, and where connections are led."""

from __future__ import annotations

from typing import TypedDict


class HaproxyServer(TypedDict):
    name: str
    address: str
    port: int
    check_port: int


class HaproxyBackend(TypedDict):
    """`check` is the path asked of each member's Patroni; `fallback` the backend used when no server is fit."""

    name: str
    check: str
    balance: str
    servers: list[HaproxyServer]
    fallback: str | None
    shutdown_sessions_on_down: bool
    rise: int


class HaproxyFrontend(TypedDict):
    """`bind` is an address as HAProxy writes it, a TCP port or a Unix socket."""

    name: str
    bind: str
    backend: str
    purpose: str


class Haproxy(TypedDict):
    """`ca_file` verifies the members' REST APIs, `""` where they speak in the clear. Only `client_networks` are let in:
    PostgreSQL sees the proxy's address, so its pg_hba cannot tell where clients come from."""

    client_networks: list[str]
    ca_file: str
    frontends: list[HaproxyFrontend]
    backends: list[HaproxyBackend]
    maxconn: int
    stats_port: int
    check_interval_ms: int
    check_interval_fast_ms: int
    check_interval_down_ms: int
    fall: int
