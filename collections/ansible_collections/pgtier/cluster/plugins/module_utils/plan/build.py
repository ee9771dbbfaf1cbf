"""From an inventory to a plan: read, check, and only then put together."""

from __future__ import annotations

from collections.abc import Mapping

from .endpoints import endpoints
from .etcd import etcd
from .firewall import firewall
from .haproxy import haproxy
from .hosts import hosts
from .inventory import HostFacts, Inventory
from .keepalived import keepalived
from .logins import read_databases, read_users
from .mistakes import PlanError
from .notes import notes
from .openings import openings
from .patroni import bin_directory, data_directory, members, patroni, recovery_point
from .pgbouncer import pgbouncer
from .postgresql import postgresql
from .schema import Cluster, Plan
from .settings import Settings, read_settings
from .tls import tls
from .topology import Topology, read_topology
from .validate import Subject, validate


def build_plan(inventory: Inventory, facts: Mapping[str, HostFacts] | None = None, leaving: str = "") -> Plan:
    """The plan of a cluster. Raises PlanError with every mistake of the inventory.

    Without facts of a member, and without its postgresql_memory_mb and postgresql_cores, what follows from its size
    is left out. A host that is `leaving` is still listed and has no part in the plan any more.
    """
    known = facts or {}
    settings, mistakes = read_settings(inventory)
    topology = read_topology(inventory, settings)
    mistakes += validate(Subject(inventory, settings, topology, known))
    if mistakes:
        raise PlanError(mistakes)
    if leaving:
        topology = read_topology(inventory.without(leaving), settings)
    database_server = postgresql(settings, topology, known)
    return Plan(
        cluster=_cluster(settings, topology),
        hosts=hosts(settings, topology, known),
        tls=tls(settings, topology),
        etcd=etcd(settings, topology),
        members=members(settings, topology),
        postgresql=database_server,
        patroni=patroni(settings, topology, database_server, settings["etcd_client_port"]),
        haproxy=haproxy(settings, topology),
        pgbouncer=pgbouncer(settings, topology),
        keepalived=keepalived(settings, topology, known),
        endpoints=endpoints(settings, topology),
        openings=openings(settings, topology),
        firewall=firewall(settings, topology, known),
        databases=read_databases(settings),
        users=read_users(settings),
        notes=notes(settings, topology),
    )


def _cluster(settings: Settings, topology: Topology) -> Cluster:
    return Cluster(
        scope=settings["patroni_scope"],
        postgresql_version=settings["postgresql_version"],
        recovery_time=settings["patroni_recovery_time"],
        recovery_point=recovery_point(settings, topology),
        profile=settings["postgresql_profile"],
        data_directory=data_directory(settings),
        bin_directory=bin_directory(settings),
        client_networks=list(settings["postgresql_client_networks"]),
    )
