# SPDX-License-Identifier: Apache-2.0
"""Faults that any host can be given over ssh and that heal: by themselves, or by a timer that it sets before. Pure.

What is worse - a host that loses its power or its network - takes a lab (module_utils/lab), or somebody at the switch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

TARGETS = ("leader", "replica", "replicas", "etcd_leader", "etcd_follower", "etcd_majority", "proxy", "proxies")
# What is chosen when nothing is: one of each kind, the quick ones.
DEFAULT = ("kill_postgres", "kill_patroni", "kill_replica", "kill_etcd", "kill_haproxy", "kill_pgbouncer")
# A fault that nobody comes to heal is healed by its host so many seconds after its time.
GRACE_SECONDS = 60
_DIRECTORY = "/run/pgtier-drill"


@dataclass(frozen=True)
class Fault:
    """`strike` and `heal` are shell for root, on each host of the target. What lasts is healed after `lasts` seconds.

    `bound`: the longest time without an acknowledged write that is allowed, with `patroni_recovery_time` fast. Where
    the fault `blocks` writes until it is healed, it is the time after that.
    """

    name: str
    target: str
    does: str
    strike: str
    bound: float
    lasts: float = 0.0
    heal: str = ""
    blocks: bool = False


class FaultError(ValueError):
    """A fault that there is not, or that has nobody to strike. The text says what there is."""


def chosen(names: Sequence[str]) -> list[Fault]:
    """The faults of these names, in this order; one may come twice."""
    unknown = [name for name in names if name not in FAULTS]
    if unknown or not names:
        raise FaultError(f"drill_faults: there is no {', '.join(unknown) or 'fault'}; there are {', '.join(FAULTS)}")
    return [FAULTS[name] for name in names]


def targets(
    target: str, leader: str, replicas: Sequence[str], etcd: Mapping[str, bool], proxies: Sequence[str]
) -> list[str]:
    """The hosts that a fault strikes. `etcd` says of each member whether it leads."""
    heads = [name for name, leads in etcd.items() if leads]
    followers = [name for name, leads in etcd.items() if not leads]
    found = {
        "leader": [leader] if leader else [],
        "replica": replicas[:1],
        "replicas": replicas,
        "etcd_leader": heads,
        "etcd_follower": followers[:1],
        "etcd_majority": [*heads, *followers][: len(etcd) // 2 + 1],
        "proxy": proxies[:1],
        "proxies": proxies,
    }[target]
    if not found:
        raise FaultError(f"there is no {target.replace('_', ' ')} that a fault could strike")
    return list(found)


def strike_script(fault: Fault, values: Mapping[str, str]) -> str:
    """What root runs on the host, which says first when it strikes, by its clock. The healing is laid down, and its
    timer set, before anything is broken."""
    strike = f"date +%s.%N\n{_filled(fault.strike, values)}\n"
    if not fault.heal:
        return f"set -eu\n{strike}"
    unit, path = f"pgtier-drill-{fault.name}", f"{_DIRECTORY}/{fault.name}"
    return (
        f"set -eu\numask 077\nmkdir -p {_DIRECTORY}\n"
        f"cat > {path}.sh <<'END_OF_HEALING'\n{_filled(fault.heal, values)}\nEND_OF_HEALING\n"
        f"systemd-run --quiet --collect --unit={unit} --on-active={fault.lasts + GRACE_SECONDS:g}s "
        f"/bin/sh {path}.sh\n{strike}"
    )


def heal_script(fault: Fault) -> str:
    """Ends the fault, or finds that it has ended."""
    if not fault.heal:
        return ""
    unit, path = f"pgtier-drill-{fault.name}", f"{_DIRECTORY}/{fault.name}"
    return f"systemctl stop {unit}.timer || true\nif [ -e {path}.sh ]; then sh {path}.sh; rm -f {path}.sh; fi\n"


def _filled(script: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        script = script.replace(f"@{name}@", value)
    return script


def _freeze(pids: str) -> tuple[str, str]:
    """Processes that hang: their connections stay open and nobody answers. Which ones, the thaw has to know."""
    kept = f"{_DIRECTORY}/frozen"
    # One that has ended meanwhile is no matter, none at all is.
    strike = f'pids="{pids}"\ntest -n "$pids"\necho $pids > {kept}\nkill -STOP $pids || true'
    return strike, f"kill -CONT $(cat {kept}) || true\nrm -f {kept}"


def _no_space() -> tuple[str, str]:
    """As a full disk lets no file grow, PostgreSQL cannot write beyond 1 MiB of one. A server that is started anew can;
    a crash alone leaves the postmaster as it is, whose processes crash again until there is room."""

    def limit(size: str) -> str:
        return (
            "for pid in $(pgrep -u postgres -x postgres); do\n"
            f"  runuser -u postgres -- prlimit --pid $pid --fsize={size}: || test ! -e /proc/$pid\ndone"
        )

    return limit("1048576"), limit("unlimited")


def _cut(before_loopback: Sequence[str], rules: Sequence[str]) -> tuple[str, str]:
    """Packets that get lost, by a table of its own in nftables. Loopback is cut by the first rules only."""

    def chain(hook: str, device: str) -> str:
        lines = [f"type filter hook {hook} priority -200; policy accept"]
        lines += [f"{rule} drop" for rule in before_loopback]
        lines += [f"{device} lo accept", *(f"{rule} drop" for rule in rules)]
        return f"  chain {hook} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"

    table = "table inet pgtier_drill"
    return (
        f"nft -f - <<'END'\n{table} {{\n{chain('input', 'iif')}{chain('output', 'oif')}}}\nEND",
        f"nft delete {table} || true",
    )


# One that is starting anew has another process.
_POSTMASTER = "$(head -n 1 /var/lib/postgresql/*/*/postmaster.pid)"
_ALL_OF_POSTGRES = "$(pgrep -u postgres -x postgres)"
_CLUSTER_PORTS = "{ @postgresql_port@, @patroni_restapi_port@, @etcd_client_port@, @etcd_peer_port@ }"


def _table() -> list[Fault]:
    postgres, postgres_again = _freeze(_ALL_OF_POSTGRES)
    senders, senders_again = _freeze("$(pgrep -u postgres -f 'postgres: .*walsender')")
    patroni, patroni_again = _freeze("$(systemctl show --property MainPID --value patroni)")
    etcd, etcd_again = _freeze("$(systemctl show --property MainPID --value etcd)")
    pgbouncer, pgbouncer_again = _freeze("$(pgrep -x pgbouncer)")
    full, room = _no_space()
    etcd_cut, etcd_whole = _cut(["meta skuid postgres tcp dport @etcd_client_port@"], [])
    cut, whole = _cut([], [f"tcp {way} {_CLUSTER_PORTS}" for way in ("dport", "sport")])
    terminate = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return [
        Fault("kill_postgres", "leader", "PostgreSQL is killed", f"kill -9 {_POSTMASTER}", 10),
        Fault(
            "crash_postgres",
            "leader",
            "a process of PostgreSQL is killed, so that all of it starts anew",
            "kill -9 $(pgrep -u postgres -f 'postgres: .*checkpointer')",
            10,
        ),
        Fault("quit_postgres", "leader", "PostgreSQL is stopped without ado", f"kill -QUIT {_POSTMASTER}", 10),
        Fault(
            "terminate_sessions",
            "leader",
            "all sessions on the primary are ended",
            f'cd /; runuser -u postgres -- psql -qAtc "{terminate}"',
            10,
        ),
        Fault("freeze_postgres", "leader", "all of PostgreSQL hangs", postgres, 38, 40, postgres_again),
        Fault("freeze_walsenders", "leader", "replication hangs", senders, 15, 15, senders_again, blocks=True),
        Fault("refuse_writes", "leader", "the primary's disk takes no more, for a moment", full, 20, 5, room),
        Fault("kill_patroni", "leader", "Patroni is killed", "systemctl kill --kill-whom=main -s KILL patroni", 10),
        Fault("restart_patroni", "leader", "Patroni is restarted", "systemctl restart patroni", 10),
        Fault("freeze_patroni", "leader", "Patroni hangs", patroni, 38, 40, patroni_again),
        Fault("cut_from_etcd", "leader", "Patroni does not reach etcd", etcd_cut, 38, 40, etcd_whole),
        Fault("cut_off", "leader", "the primary's host is cut off from the cluster", cut, 38, 40, whole),
        Fault("cut_off_briefly", "leader", "the same for less than the leader's term", cut, 20, 5, whole),
        Fault("kill_replica", "replica", "a replica is killed", f"kill -9 {_POSTMASTER}", 10),
        Fault("kill_replicas", "replicas", "all replicas are killed", f"kill -9 {_POSTMASTER}", 20),
        Fault("refuse_replicas_writes", "replicas", "the same with all replicas", full, 20, 5, room),
        Fault("freeze_replica", "replica", "a replica hangs", postgres, 10, 15, postgres_again),
        Fault("freeze_replicas", "replicas", "all replicas hang", postgres, 15, 15, postgres_again, blocks=True),
        Fault("kill_etcd", "etcd_leader", "etcd's leader is killed", "systemctl kill -s KILL etcd", 10),
        Fault("freeze_etcd", "etcd_leader", "etcd's leader hangs", etcd, 10, 15, etcd_again),
        Fault(
            "stop_etcd",
            "etcd_follower",
            "a member of etcd is away",
            "systemctl stop etcd",
            10,
            15,
            "systemctl start etcd",
        ),
        Fault(
            "stop_etcd_majority",
            "etcd_majority",
            "etcd has no quorum, and the primary goes on (failsafe mode)",
            "systemctl stop etcd",
            10,
            40,
            "systemctl start etcd",
        ),
        Fault("kill_haproxy", "proxies", "HAProxy is killed on every proxy", "systemctl kill -s KILL haproxy", 15),
        Fault("kill_pgbouncer", "proxies", "PgBouncer is killed on every proxy", "pkill -9 -x pgbouncer", 15),
        Fault(
            "kill_route",
            "proxies",
            "what tells PgBouncer where the members are is killed",
            "systemctl kill -s KILL pgtier-primary-route",
            10,
        ),
        Fault("freeze_pgbouncer", "proxy", "PgBouncer hangs on one proxy", pgbouncer, 10, 15, pgbouncer_again),
    ]


FAULTS = {fault.name: fault for fault in _table()}
