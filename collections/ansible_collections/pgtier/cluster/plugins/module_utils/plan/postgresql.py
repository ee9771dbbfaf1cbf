"""PostgreSQL's parameters: the cluster's from its smallest candidate, a member's own from that member.

Patroni insists that what a standby must not have less of than its primary (connections, workers, WAL senders, locks)
is the same everywhere. Memory and parallelism may differ, so members of different sizes use what they have.
"""

from __future__ import annotations

from collections.abc import Mapping

from .hba import hba
from .inventory import HostFacts
from .profiles import ANALYTICS_MEMBER, COMMON, DISKS, PROFILES, SOURCES, Values
from .schema.members import PostgreSQL
from .settings import Settings
from .tls import CIPHERS, directory
from .topology import Topology
from .units import memory, memory_kb

_MB = 1024
_MAX_MAINTENANCE_KB = 2 * 1024 * _MB
_MIN_WORK_MEM_KB = 4 * _MB
_MIN_SHARED_BUFFERS_KB = 64 * _MB
# The same whatever the members' number and sizes: a standby may not have fewer than its primary, and both take a
# restart to change, so a new member must change neither. An idle worker costs some bytes of shared memory.
_WORKERS = 32
_WAL_SENDERS = 20
# The part of a member's disk that WAL may take for another one that is away.
_DISK_PART = 4

Facts = Mapping[str, HostFacts]


def postgresql(settings: Settings, topology: Topology, facts: Facts) -> PostgreSQL:
    parameters = cluster_parameters(settings, topology, facts)
    per_member = {member: member_parameters(settings, topology, facts, member) for member in topology.members}
    used = {name for values in (parameters, *per_member.values()) for name in values}
    return PostgreSQL(
        parameters=parameters,
        per_member=per_member,
        hba=hba(settings, topology),
        sources={name: source for name, source in SOURCES.items() if name in used},
    )


def memory_kb_of(settings: Settings, facts: Facts, host: str) -> int | None:
    """Memory to plan with: the variable, else what the host said, else unknown."""
    mb = settings.of(host, "postgresql_memory_mb")
    if mb is None and host in facts:
        mb = facts[host].memory_mb
    return mb * _MB if mb is not None else None


def cores_of(settings: Settings, facts: Facts, host: str) -> int | None:
    cores: int | None = settings.of(host, "postgresql_cores")
    return facts[host].cores if cores is None and host in facts else cores


def cluster_parameters(settings: Settings, topology: Topology, facts: Facts) -> Values:
    """Parameters that hold for all members. Those that need a size nobody knows yet are left out."""
    senders = wal_senders(topology)
    values: Values = {
        **COMMON,
        **PROFILES[settings["postgresql_profile"]],
        **DISKS[settings["postgresql_disk"]],
        "max_connections": settings["postgresql_max_connections"],
        "superuser_reserved_connections": settings["postgresql_superuser_reserved_connections"],
        "max_wal_senders": senders,
        "max_replication_slots": senders,
        "max_worker_processes": _WORKERS,
    }
    if tls := directory(settings, "patroni"):
        values |= {
            "ssl": "on",
            "ssl_cert_file": f"{tls}/host.crt",
            "ssl_key_file": f"{tls}/host.key",
            "ssl_ca_file": f"{tls}/ca.crt",
            "ssl_min_protocol_version": "TLSv1.2",
            "ssl_ciphers": CIPHERS,
        }
    return _sorted({**values, **written(settings["postgresql_parameters"])})


def wal_senders(topology: Topology) -> int:
    """Two for each member and four for tools, in steps so large that one more member is not the one to need more."""
    return -(-(2 * len(topology.members) + 4) // _WAL_SENDERS) * _WAL_SENDERS


def member_parameters(settings: Settings, topology: Topology, facts: Facts, member: str) -> Values:
    """A member's own parameters. Patroni lets these win over the cluster's, so what the user set for the cluster
    is not computed again here."""
    analytics = member in topology.analytics
    profile = "analytics" if analytics else settings["postgresql_profile"]
    computed: Values = dict(ANALYTICS_MEMBER) if analytics else {}
    kb, cores = memory_kb_of(settings, facts, member), cores_of(settings, facts, member)
    if kb is not None:
        computed |= _memory(kb, profile, settings["postgresql_max_connections"] + _WORKERS)
    if member in facts and facts[member].disk_mb:
        computed |= _kept_wal(facts[member].disk_mb, PROFILES[settings["postgresql_profile"]])
    if cores is not None:
        computed |= _parallelism(cores, profile)
    of_cluster = settings["postgresql_parameters"]
    kept = {name: value for name, value in computed.items() if name not in of_cluster}
    return _sorted({**kept, **written(settings.of(member, "postgresql_member_parameters"))})


def effective_kb(settings: Settings, topology: Topology, facts: Facts, member: str, name: str) -> int | None:
    """A parameter of memory as the member will have it, in kB."""
    value = member_parameters(settings, topology, facts, member).get(name)
    return memory_kb(settings["postgresql_parameters"].get(name) if value is None else value)


def written(parameters: Mapping[str, object]) -> Values:
    """What a user wrote, the way PostgreSQL writes it."""
    return {name: _written(value) for name, value in parameters.items()}


def _written(value: object) -> str | int | float:
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str | int | float) else str(value)


def _memory(kb: int, profile: str, backends: int) -> Values:
    shared = max(_MIN_SHARED_BUFFERS_KB, _whole_mb(kb // 4))
    each = max(0, kb - shared) // (backends * 3)
    work = max(_MIN_WORK_MEM_KB, _whole_mb(each if profile == "web" else each // 2))
    maintenance = min(_MAX_MAINTENANCE_KB, max(64 * _MB, _whole_mb(kb // (8 if profile == "analytics" else 16))))
    return {
        "shared_buffers": memory(shared),
        "effective_cache_size": memory(_whole_mb(kb * 3 // 4)),
        "work_mem": memory(work),
        "maintenance_work_mem": memory(maintenance),
    }


def _kept_wal(disk_mb: int, profile: Values) -> Values:
    """Less than the profile's where the disk is too small for that: what fills up is the primary's."""
    part, most = disk_mb // _DISK_PART * _MB, memory_kb(profile["max_slot_wal_keep_size"])
    return {"max_slot_wal_keep_size": memory(part)} if most and part < most else {}


def _parallelism(cores: int, profile: str) -> Values:
    half = max(1, cores // 2)
    most = {"web": 2, "mixed": 4}.get(profile, half)
    return {
        "max_parallel_workers": min(cores, _WORKERS),
        "max_parallel_workers_per_gather": min(half, most),
        "max_parallel_maintenance_workers": min(half, 4),
    }


def _whole_mb(kb: int) -> int:
    return kb // _MB * _MB


def _sorted(values: Values) -> Values:
    return {name: values[name] for name in sorted(values, key=str)}
