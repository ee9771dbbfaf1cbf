"""Who may become the leader, and what speaks against a switchover now. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, Member, synchronous_mode

_SYNCHRONOUS = ("sync_standby", "quorum_standby")


class Refused(Exception):
    """Everything that speaks against it, each with what to do."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = list(reasons)


@dataclass(frozen=True)
class Transaction:
    """One that runs in a pool that is to be paused. `client` is the application's address at the pool."""

    pid: int
    user: str
    database: str
    age_seconds: float
    client: str
    application: str

    def __str__(self) -> str:
        application = f", {self.application}" if self.application else ""
        return (
            f"pid {self.pid} of {self.user} in {self.database} from {self.client}{application}, "
            f"{self.age_seconds:.0f} s old"
        )


@dataclass(frozen=True)
class Limits:
    lag_bytes: int
    transaction_seconds: float


@dataclass(frozen=True)
class Switchover:
    """`needed` is False when the candidate leads already.

    Where nobody was named and all that Patroni could take are fit, `anyone` of these may win: Patroni is not told a
    name. Those who lose then follow at once. Told of a candidate, all others sleep for two seconds first (its
    `process_unhealthy_cluster`), and the first commits wait until one of them streams.
    """

    leader: str
    candidate: str
    needed: bool
    anyone: tuple[str, ...] = ()

    @property
    def successors(self) -> tuple[str, ...]:
        return self.anyone or (self.candidate,)


def choose(cluster: Cluster, config: Mapping[str, Any], candidate: str | None, limits: Limits) -> Switchover:
    """From whom to whom: to the candidate that is named, else to the best one. Raises Refused."""
    leaders = [member["name"] for member in cluster["members"] if member["role"] in ("leader", "standby_leader")]
    if not leaders:
        raise Refused(
            ["the cluster has no leader, so there is nothing to hand over; see `patronictl list` and why nobody leads"]
        )
    if len(leaders) > 1:
        raise Refused([f"{' and '.join(leaders)} both say that they lead; see `patronictl list` on each"])
    (leader,) = leaders
    by_name = {member["name"]: member for member in cluster["members"]}
    if candidate == leader:
        return Switchover(leader, leader, needed=False)
    reasons = _against_any(cluster)
    if candidate is not None and candidate not in by_name:
        others = ", ".join(sorted(by_name.keys() - {leader}))
        reasons.append(
            f"{candidate} is no member of the cluster; members beside the leader {leader}: {others or 'none'}"
        )
    elif candidate is not None and (why := unfit(by_name[candidate], cluster, config, limits.lag_bytes)):
        reasons.append(f"{candidate} cannot become the leader: {why}")
    if reasons:
        raise Refused(reasons)
    if candidate:
        return Switchover(leader, candidate, needed=True)
    able = fit(cluster, config, limits.lag_bytes)
    anyone = {member["name"] for member in able}
    eligible = {member["name"] for member in cluster["members"] if member["name"] != leader and not barred(member)}
    return Switchover(
        leader,
        min(able, key=lambda member: (member["lag_bytes"] or 0, member["name"]))["name"],
        needed=True,
        anyone=tuple(sorted(anyone)) if anyone == eligible else (),
    )


def fit(cluster: Cluster, config: Mapping[str, Any], lag_bytes: int) -> list[Member]:
    """Who can become the leader now. Raises Refused if nobody can."""
    others = [member for member in cluster["members"] if member["name"] != cluster["leader"]]
    why = {member["name"]: unfit(member, cluster, config, lag_bytes) for member in others}
    able = [member for member in others if why[member["name"]] is None]
    if not able:
        reasons = [f"{name}: {reason}" for name, reason in sorted(why.items())]
        raise Refused([f"no member can take over from {cluster['leader']} ({'; '.join(reasons) or 'it is alone'})"])
    return able


def barred(member: Member) -> bool:
    """Whether Patroni never makes it the leader."""
    return bool(member["tags"].get("nofailover")) or str(member["tags"].get("failover_priority", 1)) == "0"


def unfit(member: Member, cluster: Cluster, config: Mapping[str, Any], lag_bytes: int) -> str | None:
    """Why a member cannot become the leader now; None if it can."""
    name = member["name"]
    if barred(member):
        return "it is tagged nofailover, as analytics replicas are"
    if member["state"] != "streaming":
        return f"it is {member['state'] or 'silent'} and not streaming; see `journalctl -u patroni` on {name}"
    if member["timeline"] != cluster["timeline"]:
        return f"it is on timeline {member['timeline']} and the leader on {cluster['timeline']}; wait, or reinit.yml"
    if member["lag_bytes"] is None:
        return "nobody knows how far it is behind; wait for its next report"
    if member["lag_bytes"] > lag_bytes:
        return f"it is {member['lag_bytes']} bytes behind, and {lag_bytes} are allowed; wait until it has caught up"
    if synchronous_mode(config) != "off" and member["role"] not in _SYNCHRONOUS:
        return "it is not among those that vouch for commits, so it may lack some; wait until Patroni counts it in"
    return None


def against_pause(paused: Sequence[str], transactions: Sequence[Transaction], limits: Limits) -> list[str]:
    """What speaks against holding the pools back now. `paused` are those that somebody has paused already."""
    reasons = []
    if paused:
        reasons.append(
            f"somebody has paused {', '.join(paused)}; end that first, with pgbouncer_admin's `action: resume` there"
        )
    long = [one for one in transactions if one.age_seconds > limits.transaction_seconds]
    if long:
        reasons.append(
            "new statements would wait for long transactions of the pool: "
            f"{'; '.join(map(str, sorted(long, key=lambda one: -one.age_seconds)))}. Wait for them, or end them "
            "(pg_terminate_backend(pid) on the leader)"
        )
    return reasons


def transactions(
    servers: Sequence[Mapping[str, Any]], activity: Sequence[Mapping[str, Any]]
) -> tuple[list[Transaction], list[Mapping[str, Any]]]:
    """What the pools' busy server connections are about, and the sessions that come another way.

    `servers` are rows of SHOW SERVERS with the `client` of each, `activity` is pg_stat_activity of the leader. A pool
    and PostgreSQL know a connection by the same process id, the only thing that tells a transaction pool's connections
    from a session pool's: address and user are the same.
    """
    clients = {int(row["remote_pid"]): str(row["client"]) for row in servers if row["remote_pid"]}
    inside = [
        Transaction(
            pid=row["pid"],
            user=row["user"],
            database=row["database"],
            age_seconds=float(row["age_seconds"]),
            client=clients[row["pid"]] or "an unknown address",
            application=row["application"] or "",
        )
        for row in activity
        if row["pid"] in clients and row["age_seconds"] is not None
    ]
    return inside, [row for row in activity if row["pid"] not in clients]


def _against_any(cluster: Cluster) -> list[str]:
    reasons = []
    if cluster["paused"]:
        reasons.append("the cluster is in maintenance mode; end it with playbooks/resume.yml first")
    if cluster["scheduled_switchover"]:
        reasons.append(
            f"a switchover is scheduled ({cluster['scheduled_switchover']}); remove it with `patronictl flush` first"
        )
    return reasons
