# SPDX-License-Identifier: Apache-2.0
"""What was answered, made into one dict: the JSON of status.yml, and all that its screen shows. Pure.

Any answer may be missing. What could not be asked is a problem in the list, and the rest is told all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, parse, synchronous_mode
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan
from ansible_collections.pgtier.cluster.plugins.module_utils.status import address as address_view
from ansible_collections.pgtier.cluster.plugins.module_utils.status import etcd as etcd_view
from ansible_collections.pgtier.cluster.plugins.module_utils.status import proxies as proxy_view
from ansible_collections.pgtier.cluster.plugins.module_utils.status import wal as wal_view
from ansible_collections.pgtier.cluster.plugins.module_utils.status.address import VirtualAddress
from ansible_collections.pgtier.cluster.plugins.module_utils.status.etcd import EtcdRow
from ansible_collections.pgtier.cluster.plugins.module_utils.status.proxies import EndpointRow, PoolRow

_WELL = ("running", "streaming")


class MemberRow(TypedDict):
    """`state` is the member's own word, or the DCS's with `answers` false. Lags are against the leader's position at
    the same moment; seconds since the last replayed commit, 0.0 with nothing left to replay."""

    name: str
    answers: bool
    role: str
    state: str
    timeline: int | None
    lag_bytes: int | None
    lag_seconds: float | None
    pending_restart: list[str]
    postgresql: str
    patroni: str
    tags: dict[str, Any]


class Status(TypedDict):
    """`blocking` are those of the problems that speak against taking any part of the tier away."""

    scope: str
    asked_at: str
    asked_from: str | None
    problems: list[str]
    blocking: list[str]
    leader: str | None
    timeline: int | None
    maintenance: bool
    synchronous_mode: str
    synchronous_standbys: list[str]
    members: list[MemberRow]
    etcd: list[EtcdRow]
    endpoints: list[EndpointRow]
    pools: list[PoolRow]
    virtual_address: VirtualAddress | None
    certificates: list[dict[str, Any]]


def summarise(
    plan: Plan,
    cluster: Sequence[Mapping[str, Any]],
    proxies: Mapping[str, Mapping[str, Any]],
    certificates: Mapping[str, Any],
    replication: Mapping[str, Mapping[str, Any]] | None = None,
) -> Status:
    """`cluster` are the results of M(cluster_status) on one host after the other, of which the last may be an answer;
    `proxies` those of M(proxy_status) by host, of those hosts that are to be told of; `certificates` that of
    M(certificates_info), empty without TLS; `replication` those of M(replication_info) by member, where they were
    asked for."""
    blocking: list[str] = []
    answered = next((one for one in cluster if "patroni" in one), None)
    for one in cluster:
        if one is not answered:
            blocking.append(f"{one.get('host', 'a host')} cannot be reached: {why(one)}")
    if answered is None:
        blocking.append("no host could be asked about the cluster: see that one of the members can be reached by ssh")
    patroni: Mapping[str, Any] = answered["patroni"] if answered else {"cluster": None, "members": {}}
    view = parse(patroni["cluster"]["body"]) if patroni["cluster"] else None
    rows = _members(plan, patroni["members"], view)
    leaders = [row["name"] for row in rows if row["role"] in ("leader", "standby_leader")]
    leader = leaders[0] if len(leaders) == 1 else None
    if answered:
        blocking += _cluster_problems(plan, patroni, view, rows, leaders)
    etcd, etcd_problems = etcd_view.summarise(list(plan["etcd"]["members"]), answered["etcd"] if answered else None)
    streaming = [row["name"] for row in rows if row["state"] == "streaming"]
    endpoints, pools, proxy_problems, notes = proxy_view.summarise(plan, proxies, leader, streaming)
    address = address_view.summarise(plan, proxies)
    followers = [
        wal_view.follower(row["name"], patroni["members"].get(row["name"], {}).get("body", {}))
        for row in rows
        if row["name"] not in leaders
    ]
    of_leader = (replication or {}).get(leader or "", {})
    blocking += wal_view.lost(followers, of_leader)
    blocking += [*etcd_problems, *proxy_problems, *address_view.problems(plan, address)]
    notes = [note for row in rows for note in _notes(row)] + notes
    notes += wal_view.kept(followers, of_leader, _limit(plan, leader))
    notes += [*address_view.notes(address), *_certificate_problems(certificates)]
    moment = max((said["moment"] for said in patroni["members"].values() if "moment" in said), default=None)
    return Status(
        scope=plan["cluster"]["scope"],
        asked_at=datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else "",
        asked_from=answered.get("host") if answered else None,
        problems=blocking + notes,
        blocking=blocking,
        leader=leader,
        timeline=next((row["timeline"] for row in rows if row["name"] == leader), None),
        maintenance=_paused(patroni, view),
        synchronous_mode=synchronous_mode(plan["patroni"]["dynamic"]),
        synchronous_standbys=[row["name"] for row in rows if row["role"] in ("sync_standby", "quorum_standby")],
        members=rows,
        etcd=etcd,
        endpoints=endpoints,
        pools=pools,
        virtual_address=address,
        certificates=list(certificates.get("expiry", [])),
    )


def _limit(plan: Plan, leader: str | None) -> str:
    """Of the WAL that the leader keeps."""
    own, name = plan["postgresql"]["per_member"].get(leader or "", {}), "max_slot_wal_keep_size"
    return str(own.get(name, plan["postgresql"]["parameters"][name]))


def why(result: Mapping[str, Any]) -> str:
    """What a result that is no answer says, in one line."""
    return " ".join(str(result.get("msg") or "it was not asked").split())


# --- members -------------------------------------------------------------------------------------------------------


def _members(plan: Plan, said: Mapping[str, Any], view: Cluster | None) -> list[MemberRow]:
    known = {member["name"]: member for member in view["members"]} if view else {}
    written = max(
        (
            position
            for answer in said.values()
            if isinstance(position := answer.get("body", {}).get("xlog", {}).get("location"), int)
        ),
        default=None,
    )
    rows = []
    for name in dict.fromkeys((*plan["members"], *known)):
        answer, listed = said.get(name, {}), known.get(name)
        own: Mapping[str, Any] = answer.get("body", {})
        role = listed["role"] if listed else ""
        # A member that leads says so before the DCS does; one that follows is told there what it is good for.
        if own and (not listed or (own.get("role") in ("primary", "master")) != (role == "leader")):
            role = _own_role(own) if role != "standby_leader" else role
        lag_bytes, lag_seconds = _lag(own, written, answer.get("moment", 0.0))
        rows.append(
            MemberRow(
                name=name,
                answers=bool(own),
                role=role,
                state=own.get("replication_state") or own.get("state") or (listed["state"] if listed else ""),
                timeline=own.get("timeline") or (listed["timeline"] if listed else None),
                lag_bytes=lag_bytes if own else (listed["lag_bytes"] if listed else None),
                lag_seconds=lag_seconds,
                pending_restart=_pending(own),
                postgresql=_version(own.get("server_version")),
                patroni=own.get("patroni", {}).get("version", ""),
                tags=own.get("tags") or (listed["tags"] if listed else {}),
            )
        )
    return rows


def _own_role(own: Mapping[str, Any]) -> str:
    if own.get("role") in ("primary", "master"):
        return "leader"
    flags = [flag for flag in ("quorum_standby", "sync_standby") if own.get(flag)]
    return flags[0] if flags else str(own.get("role", ""))


def _lag(own: Mapping[str, Any], written: int | None, now: float) -> tuple[int | None, float | None]:
    xlog = own.get("xlog", {})
    replayed = xlog.get("replayed_location")
    if not isinstance(replayed, int) or written is None:
        return None, None
    if replayed >= written:
        return 0, 0.0
    try:
        last = datetime.fromisoformat(xlog.get("replayed_timestamp") or "")
    except ValueError:
        return written - replayed, None
    return written - replayed, round(max(0.0, now - last.timestamp()), 1)


def _pending(own: Mapping[str, Any]) -> list[str]:
    if not own.get("pending_restart"):
        return []
    return sorted(own.get("pending_restart_reason", {})) or ["unknown"]


def _version(number: Any) -> str:
    """170006 is 17.6."""
    return f"{number // 10000}.{number % 10000}" if isinstance(number, int) else ""


def _paused(patroni: Mapping[str, Any], view: Cluster | None) -> bool:
    if view:
        return view["paused"]
    return any(said.get("body", {}).get("pause") for said in patroni["members"].values())


# --- problems ------------------------------------------------------------------------------------------------------


def _cluster_problems(
    plan: Plan, patroni: Mapping[str, Any], view: Cluster | None, rows: Sequence[MemberRow], leaders: Sequence[str]
) -> list[str]:
    found = []
    said = patroni["members"]
    if view is None:
        found.append("no member has the cluster's state from etcd: what follows is each member's own word")
    if not leaders:
        found.append("there is no leader: writes wait. See etcd below and `journalctl -u patroni` on the members")
    elif len(leaders) > 1:
        found.append(f"more than one member says that it leads: {', '.join(leaders)}")
    if _paused(patroni, view):
        found.append("maintenance mode: nobody takes over from a leader that fails. End it when you are done")
    if view and view["scheduled_switchover"]:
        found.append(f"a switchover is scheduled: {view['scheduled_switchover'].get('at', 'at an unknown time')}")
    timeline = next((row["timeline"] for row in rows if row["name"] in leaders), None)
    listed = {member["name"] for member in view["members"]} if view else set()
    for row in rows:
        name = row["name"]
        found += _member_problems(plan, row, said.get(name, {}), timeline)
        if view and name not in listed:
            found.append(f"{name} is in the inventory and has not joined the cluster")
        if name not in plan["members"]:
            found.append(f"{name} is a member of the cluster and not in the inventory")
    if leaders and synchronous_mode(plan["patroni"]["dynamic"]) != "off":
        able = [row for row in rows if row["name"] not in leaders and not row["tags"].get("nosync")]
        if able and not any(row["role"] in ("sync_standby", "quorum_standby") for row in rows):
            found.append("no member vouches for the leader's commits: they are on one host only")
    return found


def _member_problems(plan: Plan, row: MemberRow, answer: Mapping[str, Any], timeline: int | None) -> Iterable[str]:
    name, own = row["name"], answer.get("body", {})
    if not own:
        yield f"{name}: its Patroni does not answer: {answer.get('error', 'it was not asked')}"
        return
    if row["state"] not in _WELL:
        yield f"{name} is {row['state'] or 'silent'}: see `journalctl -u patroni` there"
    elif row["state"] == "running" and row["role"] not in ("leader", "standby_leader"):
        yield f"{name} runs and does not stream: see `journalctl -u patroni` and PostgreSQL's log there"
    elif timeline and row["timeline"] and row["timeline"] != timeline:
        yield f"{name} is on timeline {row['timeline']}, the leader on {timeline}"
    limit = plan["pgbouncer"]["route"]["reads"]["max_lag_seconds"]
    if limit and row["lag_seconds"] is not None and row["lag_seconds"] > limit:
        yield f"{name} is {row['lag_seconds']:g} s behind the leader, more than {limit} s: pools do not read from it"
    if own.get("failsafe_mode_is_active"):
        yield f"{name} goes on without etcd, by failsafe mode"
    seen, ttl = own.get("dcs_last_seen"), plan["patroni"]["dynamic"]["ttl"]
    if isinstance(seen, int) and seen and answer["moment"] - seen > ttl:
        yield f"{name} has heard nothing from etcd for {answer['moment'] - seen:.0f} s"


def _notes(row: MemberRow) -> Iterable[str]:
    if row["pending_restart"]:
        yield f"{row['name']} awaits a restart of PostgreSQL for: {', '.join(row['pending_restart'])}"


def _certificate_problems(certificates: Mapping[str, Any]) -> list[str]:
    if not certificates:
        return []
    if "expiry" not in certificates:
        return [f"the certificates cannot be read: {why(certificates)}"]
    stage = certificates.get("stage", "none")
    rotation = [f"a rotation of the certificate authority is under way: it is {stage}"] if stage != "none" else []
    return [*certificates["problems"], *rotation]
