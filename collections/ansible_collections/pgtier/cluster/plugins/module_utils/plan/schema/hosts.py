"""Hosts: what is on them, what proves who they are, and whom they let in."""

from __future__ import annotations

from typing import TypedDict


class Port(TypedDict):
    """A TCP port that a process on a host listens on. Preflight and a firewall read these."""

    port: int
    process: str
    variable: str
    purpose: str


class Host(TypedDict):
    """A host of the inventory with what it is for. `packages` are all packages that its components need, `sysctl`
    the kernel settings that suit them."""

    name: str
    address: str
    groups: list[str]
    ports: list[Port]
    packages: list[str]
    sysctl: dict[str, str | int]


class Certificate(TypedDict):
    """What a host's certificate has to say: the names and addresses it is reached by, and whether it also proves the
    host to servers that ask for a client's certificate."""

    names: list[str]
    addresses: list[str]
    client: bool


class Tls(TypedDict):
    """`ca_file` is where every host has the certificates that servers are verified with; `ciphers` are OpenSSL's names
    for what TLS 1.2 may use (1.3 has no others)."""

    enabled: bool
    ca_file: str
    days: int
    ca_days: int
    refuse_days: int
    ciphers: str
    hosts: dict[str, Certificate]


class Opening(TypedDict):
    """A port of a host that others connect to, 0 for a protocol without. `hosts` are those of the cluster by name,
    `networks` all others."""

    port: int
    protocol: str
    what: str
    hosts: list[str]
    networks: list[str]


class FirewallRule(TypedDict):
    """A port, 0 for a protocol without, and who may reach it: networks of IPv4 and of IPv6, none of which overlap."""

    port: int
    protocol: str
    what: str
    ip4: list[str]
    ip6: list[str]


class Firewall(TypedDict):
    """What each host lets in, where a firewall is wanted."""

    enabled: bool
    hosts: dict[str, list[FirewallRule]]
