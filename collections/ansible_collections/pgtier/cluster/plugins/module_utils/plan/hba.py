"""pg_hba: the first rule that fits decides, so the tier's own logins come first and are then refused from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Literal

from .logins import MONITOR, POOLER_LOOKUP, REPLICATOR, REWIND, SERVICE_USERS, SUPERUSER
from .schema.members import HbaRule
from .settings import Settings
from .topology import Topology, host_network

PASSWORD = "scram-sha-256"
LOOPBACK = "127.0.0.1/32"
EVERYWHERE = ("0.0.0.0/0", "::/0")


def hba(settings: Settings, topology: Topology) -> list[HbaRule]:
    members = [host_network(address) for address in topology.address_of(topology.members)]
    proxies = [host_network(address) for address in topology.address_of(topology.proxies)]
    hosts = [host_network(address) for address in topology.address_of(topology.hosts)]
    rules = partial(_rules, connection(settings))
    databases = ",".join(dict.fromkeys(entry["name"] for entry in settings["databases"]))
    return [
        _local("all", SUPERUSER, "peer", "the superuser has no password: it is the operating system's postgres"),
        _local("all", "all", PASSWORD, "users on the host itself"),
        *rules("replication", REPLICATOR, (LOOPBACK, *members), "members stream from each other"),
        *rules(SUPERUSER, REWIND, members, "a member that was primary rewinds from the new one"),
        *rules(SUPERUSER, POOLER_LOOKUP, proxies, "poolers look up passwords"),
        *rules("all", MONITOR, (LOOPBACK, *hosts), "monitoring"),
        *(
            HbaRule(
                type="host",
                database="all",
                user=",".join((SUPERUSER, *SERVICE_USERS)),
                address=network,
                method="reject",
                why="the superuser and the tier's own logins from anywhere else",
            )
            for network in EVERYWHERE
        ),
        *(
            HbaRule(
                type=rule["type"] or connection(settings),
                database=rule["database"],
                user=rule["user"],
                address=rule["address"],
                method=rule["method"],
                why="postgresql_hba",
            )
            for rule in settings["postgresql_hba"]
        ),
        *(rules(databases, "all", proxies, "users, through the proxies") if databases else ()),
        *(rules(databases, "all", settings["postgresql_client_networks"], "users, directly") if databases else ()),
    ]


def bootstrap_hba(settings: Settings) -> list[HbaRule]:
    """What lets the first members of a cluster stream, until the rules above are set a moment later.

    No address is in it, so that a new host leaves the configuration of the members that exist as it is.
    """
    return [
        _local("all", SUPERUSER, "peer", "the superuser"),
        *_rules(connection(settings), "replication", REPLICATOR, EVERYWHERE, "members stream from each other"),
    ]


def connection(settings: Settings) -> Literal["host", "hostssl"]:
    """The kind of connection that is let in."""
    return "hostssl" if settings["tls_enabled"] else "host"


def line(rule: HbaRule) -> str:
    fields = (rule["type"], rule["database"], rule["user"], rule["address"], rule["method"])
    return " ".join(field for field in fields if field)


def _local(database: str, user: str, method: str, why: str) -> HbaRule:
    return HbaRule(type="local", database=database, user=user, address="", method=method, why=why)


def _rules(
    kind: Literal["host", "hostssl"], database: str, user: str, networks: Iterable[str], why: str
) -> list[HbaRule]:
    return [
        HbaRule(type=kind, database=database, user=user, address=network, method=PASSWORD, why=why)
        for network in dict.fromkeys(networks)
    ]
