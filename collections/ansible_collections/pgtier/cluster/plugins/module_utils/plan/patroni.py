"""Patroni: the dynamic configuration, which lives in etcd, and each member's own file."""

from __future__ import annotations

from typing import Any

from .hba import bootstrap_hba, line
from .logins import REPLICATOR, REWIND, SUPERUSER
from .presets import RECOVERY_TIME
from .schema.members import Member, Patroni, PostgreSQL, Succession
from .settings import Settings
from .tls import CIPHERS, ca_file, directory
from .topology import Topology, host_port

# Bytes of WAL that a new primary may lack when commits do not wait for a standby. It is Patroni's default, written out
# because it bounds the loss.
MAXIMUM_LAG_BYTES = 1024 * 1024
CANDIDATES_FOR_ZERO = 3
# Seconds. How often a primary's host is asked whether it answers, where it can be fenced and where not; after which it
# counts as silent where not: there is the whole ttl to notice it.
FENCED_CALM, UNFENCED_CALM = 0.4, 2.0
UNFENCED_SILENCE = 5.0
# Patroni runs with more priority than PostgreSQL, which this starts with the usual one.
POSTGRES = "/usr/local/lib/pgtier/postgres"


def data_directory(settings: Settings) -> str:
    return f"/var/lib/postgresql/{settings['postgresql_version']}/main"


def bin_directory(settings: Settings) -> str:
    return f"/usr/lib/postgresql/{settings['postgresql_version']}/bin"


def recovery_point(settings: Settings, topology: Topology) -> str:
    """What the user chose; else `zero` where one standby may be lost without giving it up."""
    chosen: str | None = settings["patroni_recovery_point"]
    return chosen or ("zero" if len(topology.acknowledging) >= CANDIDATES_FOR_ZERO else "async")


def members(settings: Settings, topology: Topology) -> dict[str, Member]:
    return {
        host: Member(
            name=host,
            host=host,
            address=topology.addresses[host],
            port=settings["postgresql_port"],
            restapi_port=settings["patroni_restapi_port"],
            role="analytics" if host in topology.analytics else "candidate",
            # Not `noloadbalance`: it would turn off /replica, which says whether a replica is fit. HAProxy's
            # backends name their members, so an analytics replica serves no other reads anyway.
            tags={
                **({"nofailover": True, "nosync": True} if host in topology.analytics else {}),
                **({"replicatefrom": topology.sources[host]} if host in topology.sources else {}),
            },
        )
        for host in topology.members
    }


def patroni(settings: Settings, topology: Topology, postgresql: PostgreSQL, etcd_port: int) -> Patroni:
    dynamic = _dynamic(settings, topology, postgresql)
    scheme, port = "https" if settings["tls_enabled"] else "http", settings["patroni_restapi_port"]
    etcd_hosts = [host_port(topology.addresses[host], etcd_port) for host in topology.etcd]
    return Patroni(
        dynamic=dynamic,
        local={
            name: _local(settings, member, postgresql, dynamic, etcd_hosts)
            for name, member in members(settings, topology).items()
        },
        urls=[f"{scheme}://{host_port(topology.addresses[host], port)}" for host in topology.members],
        cafile=ca_file(settings),
        tls_directory=directory(settings, "patroni"),
        restapi_port=settings["patroni_restapi_port"],
        succession={host: _succession(settings, topology, host) for host in topology.members},
    )


def _succession(settings: Settings, topology: Topology, host: str) -> Succession:
    times, port = RECOVERY_TIME[settings["patroni_recovery_time"]], settings["etcd_client_port"]
    scheme = "https" if settings["tls_enabled"] else "http"
    fence = list(settings["patroni_fence_command"])
    urls = {name: f"{scheme}://{host_port(topology.addresses[name], port)}" for name in topology.etcd}
    here = urls.pop(host, "")
    return Succession(
        scope=settings["patroni_scope"],
        member=host,
        ttl=times.ttl,
        data_directory=data_directory(settings),
        tls_directory=directory(settings, "patroni"),
        etcd=[here, *urls.values()] if here else list(urls.values()),
        etcd_here=here,
        fence_command=fence,
        fence_timeout_seconds=settings["patroni_fence_timeout_seconds"],
        calm_seconds=FENCED_CALM if fence else UNFENCED_CALM,
        silence_seconds=times.silence if fence else max(times.silence, UNFENCED_SILENCE),
    )


def _bootstrap(settings: Settings, dynamic: dict[str, Any]) -> dict[str, Any]:
    """What a cluster begins with, but for the synchronous mode, of which Patroni 4.0's own check of its file knows only
    true and false: that comes with the dynamic configuration, before anyone has a database to write to."""
    rules = [line(rule) for rule in bootstrap_hba(settings)]
    kept = {key: value for key, value in dynamic.items() if key != "synchronous_mode"}
    return {**kept, "postgresql": {**kept["postgresql"], "pg_hba": rules}}


def _dynamic(settings: Settings, topology: Topology, postgresql: PostgreSQL) -> dict[str, Any]:
    times = RECOVERY_TIME[settings["patroni_recovery_time"]]
    return {
        "ttl": times.ttl,
        "loop_wait": times.loop_wait,
        "retry_timeout": times.retry_timeout,
        "primary_start_timeout": times.primary_start_timeout,
        "maximum_lag_on_failover": MAXIMUM_LAG_BYTES,
        # Quorum: any one standby acknowledges, and only a member that a quorum vouches for is promoted. Not strict:
        # with no standby left commits go on, and nobody is promoted who may lack them.
        "synchronous_mode": "quorum" if recovery_point(settings, topology) == "zero" else False,
        "synchronous_node_count": 1,
        "synchronous_mode_strict": False,
        # The primary goes on while etcd is away, as long as it reaches every member.
        "failsafe_mode": True,
        # How long WAL is kept for a member that is away. It is Patroni's default, written out because a removal sets it
        # to 0 for a moment.
        "member_slots_ttl": 1800,
        "postgresql": {
            "use_pg_rewind": True,
            "use_slots": True,
            # A data directory is never thrown away by itself.
            "remove_data_directory_on_rewind_failure": False,
            "remove_data_directory_on_diverged_timelines": False,
            "parameters": dict(postgresql["parameters"]),
            "pg_hba": [line(rule) for rule in postgresql["hba"]],
        },
    }


def _local(
    settings: Settings, member: Member, postgresql: PostgreSQL, dynamic: dict[str, Any], etcd_hosts: list[str]
) -> dict[str, Any]:
    address, port = member["address"], member["port"]
    restapi = host_port(address, member["restapi_port"])
    loopback = "" if address == "127.0.0.1" else ",127.0.0.1"
    tls = directory(settings, "patroni")
    # The server is verified by its address; SCRAM is bound to the connection, so that nobody in between can pass it on.
    verified = {"sslmode": "verify-full", "sslrootcert": f"{tls}/ca.crt", "channel_binding": "require"} if tls else {}
    return {
        "scope": settings["patroni_scope"],
        "name": member["name"],
        "restapi": {"listen": restapi, "connect_address": restapi, **(_restapi_tls(tls) if tls else {})},
        **({"ctl": {"cacert": f"{tls}/ca.crt"}} if tls else {}),
        "etcd3": {"hosts": list(etcd_hosts), **(_etcd_tls(tls) if tls else {})},
        "bootstrap": {
            "dcs": _bootstrap(settings, dynamic),
            "initdb": [
                {"encoding": "UTF8"},
                # PostgreSQL's own provider: an upgrade of glibc cannot change the order of an index.
                {"locale-provider": "builtin"},
                {"locale": "C.UTF-8"},
                "data-checksums",
                {"auth-local": "peer"},
                {"auth-host": "scram-sha-256"},
            ],
        },
        "postgresql": {
            "listen": f"{f'[{address}]' if ':' in address else address}{loopback}:{port}",
            "connect_address": host_port(address, port),
            "data_dir": data_directory(settings),
            "bin_dir": bin_directory(settings),
            "bin_name": {"postgres": POSTGRES},
            "pgpass": "/var/lib/postgresql/pgpass",
            # Patroni itself comes over the Unix socket as the operating system's postgres. It streams over TCP.
            "use_unix_socket": True,
            "use_unix_socket_repl": False,
            "authentication": {
                "superuser": {"username": SUPERUSER},
                "replication": {"username": REPLICATOR, **verified},
                "rewind": {"username": REWIND, **verified},
            },
            "create_replica_methods": ["basebackup"],
            # The default, a spread checkpoint, lets a new member wait for minutes.
            "basebackup": {"checkpoint": "fast"},
            "parameters": {
                "unix_socket_directories": "/var/run/postgresql",
                **postgresql["per_member"][member["name"]],
            },
            "pg_ctl_timeout": 60,
        },
        # No watchdog: virtual machines often have none, and a primary whose ttl runs out steps down by itself. A host
        # that freezes and wakes up can answer reads for one loop; it cannot acknowledge a commit in quorum mode.
        "watchdog": {"mode": "off"},
        "tags": dict(member["tags"]),
    }


def _restapi_tls(tls: str) -> dict[str, str]:
    """What changes something asks for a password (roles/patroni/vars); clients need no certificate."""
    return {
        "certfile": f"{tls}/host.crt",
        "keyfile": f"{tls}/host.key",
        "cafile": f"{tls}/ca.crt",
        "ciphers": CIPHERS,
        "verify_client": "none",
    }


def _etcd_tls(tls: str) -> dict[str, str]:
    return {
        "protocol": "https",
        "cacert": f"{tls}/ca.crt",
        "cert": f"{tls}/host.crt",
        "key": f"{tls}/host.key",
    }
