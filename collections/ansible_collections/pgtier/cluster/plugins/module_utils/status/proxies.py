# SPDX-License-Identifier: Apache-2.0
"""Endpoints and pools in rows, and what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.plan import pooler_databases
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema.haproxy import HaproxyBackend

_SERVERS = ("sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login")
FULL = 0.9
LONG_WAIT = 1.0


class EndpointRow(TypedDict):
    """Where an endpoint leads on each proxy: members' names, or why that is not known."""

    name: str
    port: int
    pool_mode: str | None
    target: str
    leads_to: dict[str, list[str]]
    unknown: dict[str, str]


class PoolRow(TypedDict):
    """An endpoint's pools on one proxy, all processes together. `saturation` is that of the fullest pool."""

    endpoint: str
    proxy: str
    clients_active: int
    clients_waiting: int
    servers_active: int
    servers: int
    saturation: float
    max_wait_seconds: float
    paused: bool
    error: str


def summarise(
    plan: Plan, proxies: Mapping[str, Mapping[str, Any]], leader: str | None, streaming: Sequence[str]
) -> tuple[list[EndpointRow], list[PoolRow], list[str], list[str]]:
    """Rows, problems that speak against taking anything away, and others."""
    problems: list[str] = []
    answering = {}
    for name, result in proxies.items():
        if "pgbouncer" in result:
            answering[name] = result
            for what in ("haproxy", *result["route"]):
                error = result["haproxy"].get("error") if what == "haproxy" else result["route"][what].get("error")
                problems += [f"{name}: {_title(what)} does not answer: {error}"] if error else []
        else:
            problems.append(
                f"{name} cannot be reached: {' '.join(str(result.get('msg') or 'it was not asked').split())}"
            )
    endpoints = [_endpoint(plan, name, answering) for name in plan["endpoints"]]
    pools = [
        _pool(plan, endpoint, proxy, result)
        for endpoint in dict.fromkeys(one["endpoint"] for one in plan["pgbouncer"]["instances"])
        for proxy, result in answering.items()
    ]
    for row in endpoints:
        problems += _endpoint_problems(plan, row, leader, streaming)
    for pool in pools:
        problems += _pool_problems(pool)
    return endpoints, pools, problems, [note for pool in pools for note in _pool_notes(pool)]


def _title(what: str) -> str:
    return "HAProxy" if what == "haproxy" else f"the route of {what}"


# --- endpoints -----------------------------------------------------------------------------------------------------


def _endpoint(plan: Plan, name: str, answering: Mapping[str, Mapping[str, Any]]) -> EndpointRow:
    endpoint = plan["endpoints"][name]
    row = EndpointRow(
        name=name,
        port=endpoint["port"],
        pool_mode=endpoint["pool_mode"],
        target=endpoint["target"],
        leads_to={},
        unknown={},
    )
    for proxy, result in answering.items():
        found = _leads_to(plan, name, result)
        if isinstance(found, str):
            row["unknown"][proxy] = found
        else:
            row["leads_to"][proxy] = found
    return row


def _leads_to(plan: Plan, name: str, result: Mapping[str, Any]) -> list[str] | str:
    instance = next((one for one in plan["pgbouncer"]["instances"] if one["endpoint"] == name), None)
    if instance and instance["server_host"] in result["route"]:
        said = result["route"][instance["server_host"]]
        if "error" in said:
            return "the route does not answer"
        by_address = {member["address"]: member["name"] for member in plan["members"].values()}
        return sorted(by_address.get(one, one) for one in said.get("addresses", []))
    if "error" in result["haproxy"]:
        return "HAProxy does not answer"
    backends = {backend["name"]: backend for backend in plan["haproxy"]["backends"]}
    return _up(backends, plan["endpoints"][name]["target"], result["haproxy"]["backends"])


def _up(backends: Mapping[str, HaproxyBackend], name: str, seen: Mapping[str, Mapping[str, str]]) -> list[str]:
    found = sorted(server for server, status in seen.get(name, {}).items() if status.startswith("UP"))
    fallback = backends[name]["fallback"]
    return found if found or not fallback else _up(backends, fallback, seen)


def _endpoint_problems(plan: Plan, row: EndpointRow, leader: str | None, streaming: Sequence[str]) -> Iterable[str]:
    for proxy, members in row["leads_to"].items():
        where = f"{row['name']} on {proxy}"
        if not members:
            yield f"{where} leads to nobody: its clients wait or are refused"
        elif row["target"] == "primary":
            if leader and members != [leader]:
                yield f"{where} leads to {', '.join(members)}, and the leader is {leader}"
        elif leader in members:
            yield f"{where} leads to the primary: no replica is fit to read from"
        else:
            members_of = {name for name, one in plan["members"].items() if one["role"] == _role(row["target"])}
            able = [name for name in streaming if name in members_of]
            missing = [name for name in able if name not in members]
            if missing:
                yield f"{where} does not lead to {', '.join(missing)}: too far behind, drained, or failing its checks"


def _role(target: str) -> str:
    return "analytics" if target == "analytics" else "candidate"


# --- pools ---------------------------------------------------------------------------------------------------------


def _pool(plan: Plan, endpoint: str, proxy: str, result: Mapping[str, Any]) -> PoolRow:
    row = PoolRow(
        endpoint=endpoint,
        proxy=proxy,
        clients_active=0,
        clients_waiting=0,
        servers_active=0,
        servers=0,
        saturation=0.0,
        max_wait_seconds=0.0,
        paused=False,
        error="",
    )
    for instance in plan["pgbouncer"]["instances"]:
        if instance["endpoint"] == endpoint:
            _add(row, instance["name"], result["pgbouncer"].get(instance["name"], {"error": "it was not asked"}))
    return row


def _add(row: PoolRow, name: str, said: Mapping[str, Any]) -> None:
    if "error" in said:
        row["error"] = "; ".join(filter(None, (row["error"], f"{name}: {said['error']}")))
        return
    databases = {database["name"]: database for database in said["databases"]}
    row["paused"] |= said["state"].get("paused") == "yes"
    row["paused"] |= any(one.get("paused") for key, one in databases.items() if key not in pooler_databases.OWN)
    for pool in said["pools"]:
        if pool["database"] in pooler_databases.OWN:
            continue
        row["clients_active"] += pool["cl_active"]
        row["clients_waiting"] += pool["cl_waiting"]
        row["servers_active"] += pool["sv_active"]
        row["servers"] += sum(pool.get(column) or 0 for column in _SERVERS)
        # Whole seconds and the microseconds beyond them.
        waited = (pool.get("maxwait") or 0) + (pool.get("maxwait_us") or 0) / 1e6
        row["max_wait_seconds"] = max(row["max_wait_seconds"], round(waited, 3))
        size = databases.get(pool["database"], {}).get("pool_size")
        if size:
            row["saturation"] = max(row["saturation"], round(pool["sv_active"] / size, 2))


def _pool_problems(row: PoolRow) -> Iterable[str]:
    where = f"{row['endpoint']} on {row['proxy']}"
    if row["error"]:
        yield f"{where}: PgBouncer does not answer: {row['error']}"
    if row["paused"]:
        yield f"{where} is paused: its clients wait until somebody resumes it"


def _pool_notes(row: PoolRow) -> Iterable[str]:
    where = f"{row['endpoint']} on {row['proxy']}"
    if row["saturation"] >= FULL and row["clients_waiting"]:
        yield f"{where}: {row['clients_waiting']} clients wait and a pool is full"
    elif row["max_wait_seconds"] > LONG_WAIT:
        yield f"{where}: a client has waited for {row['max_wait_seconds']:.1f} s"
