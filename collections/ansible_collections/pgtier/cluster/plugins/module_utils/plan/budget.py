"""How many connections the pools of all endpoints can open to one member, term by term.

A pool belongs to one user and one database, in one PgBouncer process, on one proxy host: all four multiply.
"""

from __future__ import annotations

from .endpoints import Pool, wanted_pools
from .logins import pools, read_databases, read_users
from .schema.endpoints import Target
from .schema.pgbouncer import Budget, BudgetTerm
from .settings import Settings
from .topology import Topology

# The pool of pgbouncer_auth, which each endpoint looks passwords up with.
LOOKUP_POOL_SIZE = 1


def budget(settings: Settings, topology: Topology, server: Target) -> Budget:
    """The budget of the primary, of a replica that is the last one left, or of an analytics replica."""
    counted = [pool for pool in wanted_pools(settings, topology) if _reaches(pool, settings, server)]
    terms = [_term(pool, settings, topology) for pool in counted]
    if counted and topology.proxies:
        processes = sum(pool.processes for pool in counted)
        # Each process looks up by itself, as if it were an endpoint of its own.
        terms.append(_make_term("password lookup", processes, LOOKUP_POOL_SIZE, 1, len(topology.proxies), "endpoints"))
    reserved = settings["postgresql_superuser_reserved_connections"] + settings["postgresql_direct_connections"]
    most = settings["postgresql_max_connections"]
    return Budget(
        terms=terms,
        total=sum(term["connections"] for term in terms),
        available=most - reserved,
        max_connections=most,
        reserved=reserved,
    )


def _reaches(pool: Pool, settings: Settings, server: Target) -> bool:
    """Whether the pool's connections may end on that server: those of reads end on the primary if no replica is fit."""
    return pool.target == server or (
        server == "primary" and pool.target == "replica" and bool(settings["haproxy_read_fallback"])
    )


def _term(pool: Pool, settings: Settings, topology: Topology) -> BudgetTerm:
    users = read_users(settings)
    count = sum(pools(users, name) for name in read_databases(settings))
    size = pool.share(pool.pool_size)
    return _make_term(pool.name, count, size, pool.processes, len(topology.proxies), "pools")


def _make_term(name: str, count: int, pool_size: int, processes: int, proxies: int, unit: str) -> BudgetTerm:
    connections = count * pool_size * processes * proxies
    each = f"{processes} process{'es' if processes > 1 else ''}"
    factors = f"{count} {unit} x {pool_size} connections x {each} x {proxies} proxies"
    return BudgetTerm(
        endpoint=name,
        pools=count,
        pool_size=pool_size,
        processes=processes,
        proxies=proxies,
        connections=connections,
        text=f"{name}: {factors} = {connections}",
    )
