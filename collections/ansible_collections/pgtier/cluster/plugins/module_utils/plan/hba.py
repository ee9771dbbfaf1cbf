"""pg_hba: the first rule that fits decides, so the tier's own logins come first and are then refused from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from .logins import MONITOR, POOLER_LOOKUP, REPLICATOR, REWIND, SERVICE_USERS, SUPERUSER
from .schema import HbaRule
from .settings import Settings
from .topology import Topology, host_network

# TLS will make this hostssl.
CONNECTION: Literal["host"] = "host"
PASSWORD = "scram-sha-256"
LOOPBACK = "127.0.0.1/32"
EVERYWHERE = ("0.0.0.0/0", "::/0")


def hba(settings: Settings, topology: Topology) -> list[HbaRule]:
    members = [host_network(address) for address in topology.address_of(topology.members)]
    proxies = [host_network(address) for address in topology.address_of(topology.proxies)]
    hosts = [host_network(address) for address in topology.address_of(topology.hosts)]
    databases = ",".join(dict.fromkeys(entry["name"] for entry in settings["databases"]))
    return [
        _local("all", SUPERUSER, "peer", "the superuser has no password: it is the operating system's postgres"),
        _local("all", "all", PASSWORD, "users on the host itself"),
        *_rules("replication", REPLICATOR, (LOOPBACK, *members), "members stream from each other"),
        *_rules(SUPERUSER, REWIND, members, "a member that was primary rewinds from the new one"),
        *_rules(SUPERUSER, POOLER_LOOKUP, proxies, "poolers look up passwords"),
        *_rules("all", MONITOR, (LOOPBACK, *hosts), "monitoring"),
        *(
            HbaRule(
                type=CONNECTION,
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
                type=rule["type"],
                database=rule["database"],
                user=rule["user"],
                address=rule["address"],
                method=rule["method"],
                why="postgresql_hba",
            )
            for rule in settings["postgresql_hba"]
        ),
        *(_rules(databases, "all", proxies, "users, through the proxies") if databases else ()),
        *(_rules(databases, "all", settings["postgresql_client_networks"], "users, directly") if databases else ()),
    ]


def line(rule: HbaRule) -> str:
    fields = (rule["type"], rule["database"], rule["user"], rule["address"], rule["method"])
    return " ".join(field for field in fields if field)


def _local(database: str, user: str, method: str, why: str) -> HbaRule:
    return HbaRule(type="local", database=database, user=user, address="", method=method, why=why)


def _rules(database: str, user: str, networks: Iterable[str], why: str) -> list[HbaRule]:
    return [
        HbaRule(type=CONNECTION, database=database, user=user, address=network, method=PASSWORD, why=why)
        for network in dict.fromkeys(networks)
    ]
