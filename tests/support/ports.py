"""The ports that a host of the compact layout serves to the network, and what is spoken there."""

from __future__ import annotations

from dataclasses import dataclass

from tier import Tier

# The host that is in no group of the cluster.
STRANGER = "outsider"


@dataclass(frozen=True)
class Port:
    host: str
    address: str
    number: int
    # postgres: TLS after a request in PostgreSQL's protocol; http: TLS at once.
    protocol: str
    what: str

    def __str__(self) -> str:
        return f"{self.host} {self.what} ({self.address}:{self.number})"


KINDS = {
    5432: ("postgres", "PostgreSQL"),
    6432: ("postgres", "PgBouncer, primary"),
    6433: ("postgres", "PgBouncer, primary_session"),
    6442: ("postgres", "PgBouncer, replica"),
    6443: ("postgres", "PgBouncer, replica_session"),
    5000: ("postgres", "HAProxy, primary_direct"),
    5001: ("postgres", "HAProxy, replica_direct"),
    2379: ("http", "etcd, clients"),
    2380: ("http", "etcd, peers"),
    8008: ("http", "Patroni"),
}


def ports(tier: Tier) -> list[Port]:
    return [
        Port(host, tier.address(host), number, protocol, what)
        for host in tier.groups["postgres"]
        for number, (protocol, what) in KINDS.items()
    ]


def passes_through(port: Port) -> bool:
    """Whether what answers there is a member, not the port's own host."""
    return port.what.startswith("HAProxy")
