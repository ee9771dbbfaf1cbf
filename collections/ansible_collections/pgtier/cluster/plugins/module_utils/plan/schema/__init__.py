"""The shape of a plan: plain dicts, lists, strings and numbers, so that templates, JSON and golden files can hold it.

Everything that a template, a role or a module needs to know about the cluster is here. Nobody else decides.
"""

from __future__ import annotations

from typing import TypedDict

from .databases import Database, User
from .endpoints import Endpoint
from .haproxy import Haproxy
from .hosts import Firewall, Host, Opening, Tls
from .keepalived import Keepalived
from .members import Etcd, Member, Patroni, PostgreSQL
from .pgbouncer import Pgbouncer


class Cluster(TypedDict):
    scope: str
    postgresql_version: int
    recovery_time: str
    recovery_point: str
    profile: str
    data_directory: str
    bin_directory: str
    client_networks: list[str]


class Plan(TypedDict):
    cluster: Cluster
    hosts: dict[str, Host]
    tls: Tls
    etcd: Etcd
    members: dict[str, Member]
    postgresql: PostgreSQL
    patroni: Patroni
    haproxy: Haproxy
    pgbouncer: Pgbouncer
    keepalived: Keepalived
    endpoints: dict[str, Endpoint]
    openings: dict[str, list[Opening]]
    firewall: Firewall
    databases: dict[str, Database]
    users: dict[str, User]
    notes: list[str]
