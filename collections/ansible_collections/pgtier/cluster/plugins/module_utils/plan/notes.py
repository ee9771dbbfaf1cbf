"""What a reader of the plan should know although it is no mistake."""

from __future__ import annotations

from collections.abc import Iterator

from .hosts import EXTENSION_PACKAGES
from .patroni import CANDIDATES_FOR_ZERO, recovery_point
from .settings import Settings
from .topology import Topology

# Extensions that postgresql-17 itself brings on Debian.
_WITH_POSTGRESQL = """
    amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int dict_xsyn earthdistance file_fdw
    fuzzystrmatch hstore insert_username intagg intarray isn lo ltree moddatetime pageinspect pg_buffercache
    pg_freespacemap pg_prewarm pg_stat_statements pg_surgery pg_trgm pg_visibility pg_walinspect pgcrypto
    pgrowlocks pgstattuple postgres_fdw refint seg sslinfo tablefunc tcn tsm_system_rows tsm_system_time
    unaccent uuid-ossp xml2 plpgsql
"""


def notes(settings: Settings, topology: Topology) -> list[str]:
    return list(_notes(settings, topology))


def _notes(settings: Settings, topology: Topology) -> Iterator[str]:
    count = len(topology.candidates)
    if count == 1:
        yield "One failover candidate: nothing takes over when it is lost."
    if settings["patroni_recovery_point"] is None and recovery_point(settings, topology) == "async":
        yield (
            f"Recovery point is async, for zero asks for {CANDIDATES_FOR_ZERO} failover candidates that stream "
            "from the "
            f"primary, not {len(topology.acknowledging)}: "
            "the latest commits may be lost with the primary. Set patroni_recovery_point to choose."
        )
    if settings["patroni_recovery_point"] == "zero" and count == CANDIDATES_FOR_ZERO - 1:
        yield "Recovery point zero with two candidates: while one is away, commits are on the other only."
    if len(topology.etcd) == 1 and len(topology.hosts) > 1:
        yield "One etcd member: without it no failover happens. Three keep working when one is lost."
    if len(topology.proxies) == 1 and len(topology.hosts) > 1:
        yield "One proxy host: without it no application reaches the cluster."
    if not settings["postgresql_client_networks"]:
        yield "postgresql_client_networks is empty: only the cluster's own hosts can connect."
    unknown = {name for entry in settings["databases"] for name in entry["extensions"]}
    for name in sorted(unknown - set(_WITH_POSTGRESQL.split()) - EXTENSION_PACKAGES.keys()):
        yield f"Extension {name}: its package is not known; add it to system_packages."
