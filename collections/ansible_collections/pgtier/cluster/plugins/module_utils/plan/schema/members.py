"""PostgreSQL's servers, the Patroni that leads them, and the etcd that Patroni goes by."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class EtcdMember(TypedDict):
    name: str
    address: str
    client_url: str
    peer_url: str
    data_directory: str


class Etcd(TypedDict):
    """`tls_directory` holds a member's `ca.crt`, `host.crt` and `host.key`; `""` without TLS. `local_url` is a member
    seen from its own host."""

    token: str
    members: dict[str, EtcdMember]
    initial_cluster: str
    client_urls: list[str]
    local_url: str
    client_port: int
    tls_directory: str
    cipher_suites: list[str]
    heartbeat_interval_ms: int
    election_timeout_ms: int


class Member(TypedDict):
    """A PostgreSQL server under Patroni. `role` says what it may become, not what it is now."""

    name: str
    host: str
    address: str
    port: int
    restapi_port: int
    role: Literal["candidate", "analytics"]
    tags: dict[str, bool | int | str]


class HbaRule(TypedDict):
    type: Literal["local", "host", "hostssl", "hostnossl"]
    database: str
    user: str
    address: str
    method: str
    why: str


class PostgreSQL(TypedDict):
    """`parameters` go to Patroni's dynamic configuration, `per_member` to a member's local one."""

    parameters: dict[str, str | int | float]
    per_member: dict[str, dict[str, str | int | float]]
    hba: list[HbaRule]
    sources: dict[str, str]


class Succession(TypedDict):
    """The configuration of a member's pgtier-succession, which gives up a dead leader's key upon proof, sees to it that
    no race for the lead waits for a silent host, and keeps etcd's leader off the primary's host.

    `etcd` are its members, the one on this host first; `etcd_here` is that one, `""` if there is none. Without a
    `fence_command` nobody is fenced. A host that answers is asked again after `calm_seconds`; after `silence_seconds`
    without an answer it is silent.
    """

    scope: str
    member: str
    ttl: int
    data_directory: str
    tls_directory: str
    etcd: list[str]
    etcd_here: str
    fence_command: list[str]
    fence_timeout_seconds: int
    calm_seconds: float
    silence_seconds: float


class Patroni(TypedDict):
    """`dynamic` is the whole dynamic configuration; `local` a member's config.yml without its passwords.

    `urls` are the members' REST APIs, `cafile` where each host has the certificates that they are verified with, `""`
    without TLS. `tls_directory` is as etcd's, and for PostgreSQL too.
    """

    dynamic: dict[str, Any]
    local: dict[str, dict[str, Any]]
    urls: list[str]
    cafile: str
    tls_directory: str
    restapi_port: int
    succession: dict[str, Succession]
