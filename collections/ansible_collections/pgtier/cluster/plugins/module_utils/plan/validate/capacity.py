"""Whether connections, files and memory are enough for what the inventory asks for."""

from __future__ import annotations

from collections.abc import Iterator

from ..budget import budget
from ..endpoints import wanted_pools
from ..logins import pools as pools_of
from ..logins import read_databases, read_users
from ..mistakes import Mistake, show
from ..postgresql import effective_kb, memory_kb_of
from ..schema.endpoints import Target
from .subject import Subject

# What the units may open; the hard limit of many hosts.
_OPEN_FILES = 20000
_OTHER_FILES = 100
# Memory in MB that other things take: an idle server process, the system with etcd, PgBouncer and HAProxy.
_IDLE_BACKEND_MB = 2
_REST_MB = 256
# Autovacuum workers, and queries that sort or hash at the same time.
_AUTOVACUUM_WORKERS = 3
_BUSY_QUERIES = 20
_SERVERS = {"primary": "the primary", "replica": "one replica", "analytics": "one analytics replica"}


def pools(subject: Subject) -> Iterator[Mistake]:
    settings, topology = subject.settings, subject.topology
    if settings["pgbouncer_endpoints"].get("analytics") and not topology.analytics and topology.members:
        yield Mistake(
            "cluster",
            "pgbouncer_endpoints.analytics",
            "",
            "is set, but there is no analytics replica",
            "Set patroni_role to analytics on a host of the group postgres, or remove it.",
        )
    users = read_users(settings)
    count = sum(pools_of(users, name) for name in read_databases(settings))
    for pool in wanted_pools(settings, topology):
        own = f"pgbouncer_endpoints.{pool.name}"
        if pool.min_pool_size > pool.pool_size:
            yield Mistake(
                "cluster",
                f"{own}.min_pool_size",
                show(pool.min_pool_size),
                f"is more than the pool's size, {pool.pool_size}",
                f"Use {pool.pool_size} or less, or raise {pool.pool_size_variable}.",
            )
        if pool.processes > pool.pool_size:
            yield Mistake(
                "cluster",
                f"{own}.processes" if settings["pgbouncer_processes"] != pool.processes else "pgbouncer_processes",
                show(pool.processes),
                f"is more than there are connections to share, {pool.pool_size} for endpoint {pool.name}",
                f"Use {pool.pool_size} or less, or raise {pool.pool_size_variable}.",
            )
        clients, size = pool.share(pool.max_client_connections), pool.share(pool.pool_size)
        files = clients + count * size + _OTHER_FILES
        if files > _OPEN_FILES:
            yield Mistake(
                "cluster",
                f"{own}.max_client_connections",
                show(pool.max_client_connections),
                f"needs {files} of {_OPEN_FILES} open files, with {count} pools of {size}",
                f"Lower it by {files - _OPEN_FILES}, or lower {pool.pool_size_variable}.",
            )


def proxies(subject: Subject) -> Iterator[Mistake]:
    """HAProxy carries the connections that the analytics pools of its own host open."""
    settings, topology = subject.settings, subject.topology
    if not topology.proxies:
        return
    carried = budget(settings, topology, "analytics")["total"] // len(topology.proxies)
    if carried > settings["haproxy_maxconn"]:
        yield Mistake(
            "cluster",
            "haproxy_maxconn",
            show(settings["haproxy_maxconn"]),
            f"is less than the {carried} connections that the analytics pools of one proxy host may open through it",
            "Raise it, or lower pgbouncer_endpoints.analytics.pool_size.",
        )


def connections(subject: Subject) -> Iterator[Mistake]:
    """Pools against max_connections: on the primary, on the last replica that is left, on the analytics replica."""
    settings, topology = subject.settings, subject.topology
    servers: list[Target] = ["primary"]
    servers += [] if settings["haproxy_read_fallback"] else ["replica"]
    servers += ["analytics"] if topology.analytics else []
    for server in servers:
        found = budget(settings, topology, server)
        if found["total"] <= found["available"]:
            continue
        sums = [term["text"] for term in found["terms"]]
        sums.append(f"left: {found['max_connections']} - {found['reserved']} reserved = {found['available']}")
        shown = "".join(f"\n        {text}" for text in sums)
        yield Mistake(
            "cluster",
            "postgresql_max_connections",
            show(found["max_connections"]),
            f"is too few: pools may open {found['total']} connections to {_SERVERS[server]}{shown}",
            f"Raise it to {found['total'] + found['reserved']} or more, or lower pgbouncer_pool_size or "
            "pgbouncer_session_pool_size.",
        )


def limits(subject: Subject) -> Iterator[Mistake]:
    """A user's own limit against the pools that the user has on the primary: PgBouncer would run into it."""
    settings, topology = subject.settings, subject.topology
    users = read_users(settings)
    reaching = {term["endpoint"] for term in budget(settings, topology, "primary")["terms"]}
    sizes = sum(
        pool.share(pool.pool_size) * pool.processes
        for pool in wanted_pools(settings, topology)
        if pool.name in reaching
    )
    for index, entry in enumerate(settings["databases_users"]):
        limit, name = entry["connection_limit"], entry["name"]
        if not name or limit < 0 or users[name]["service"]:
            continue
        needed = len(users[name]["databases"]) * sizes * len(topology.proxies)
        if limit < needed:
            yield Mistake(
                "cluster",
                f"databases_users[{index}].connection_limit",
                show(limit),
                f"is less than the {needed} connections of this user's pools to the primary",
                f"Use {needed} or more, or leave it out: the pools limit the user already.",
            )


def memory(subject: Subject) -> Iterator[Mistake]:
    settings, topology, facts = subject.settings, subject.topology, subject.facts
    for member in topology.members:
        total_kb = memory_kb_of(settings, facts, member)
        if total_kb is None:
            continue
        parts = {
            "shared_buffers": _mb(subject, member, "shared_buffers"),
            f"{settings['postgresql_max_connections']} connections": settings["postgresql_max_connections"]
            * _IDLE_BACKEND_MB,
            f"{_AUTOVACUUM_WORKERS} x maintenance_work_mem": _AUTOVACUUM_WORKERS
            * _mb(subject, member, "maintenance_work_mem"),
            f"{_BUSY_QUERIES} x work_mem": _BUSY_QUERIES * _mb(subject, member, "work_mem"),
            "system": _REST_MB,
        }
        needed, there = sum(parts.values()), total_kb // 1024
        if needed > there:
            written = settings.of(member, "postgresql_memory_mb")
            terms = " + ".join(f"{mb} ({name})" for name, mb in parts.items())
            yield Mistake(
                f"host {member}",
                "postgresql_memory_mb",
                show(there) if written is not None else f"{there} (of the host)",
                f"is too little: {needed} MB are needed\n        {terms}",
                "Give the host more memory, or lower postgresql_max_connections or what postgresql_parameters set.",
            )


def disk(subject: Subject) -> Iterator[Mistake]:
    """What a user sets against the disks; what is computed fits."""
    variable = "max_slot_wal_keep_size"
    for member in subject.topology.members:
        there = subject.facts[member].disk_mb if member in subject.facts else 0
        wanted = _mb(subject, member, variable)
        if there and wanted > there:
            own = variable in subject.settings.of(member, "postgresql_member_parameters")
            yield Mistake(
                f"host {member}",
                f"postgresql_{'member_' if own else ''}parameters.{variable}",
                f"{wanted} MB",
                f"is more than the file system of its data has: {there} MB",
                f"Leave it out; {there // 4} MB are computed, or less.",
            )


def _mb(subject: Subject, member: str, name: str) -> int:
    kb = effective_kb(subject.settings, subject.topology, subject.facts, member, name)
    return -(-kb // 1024) if kb is not None else 0
