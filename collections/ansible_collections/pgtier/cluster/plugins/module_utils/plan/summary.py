"""A plan as a person reads it: who is who, where applications connect, whether the pools fit, what is open to whom."""

from __future__ import annotations

from collections.abc import Iterator

from .hba import line
from .schema import Plan
from .schema.hosts import Opening


def summary(plan: Plan) -> list[str]:
    return [text for part in (_cluster, _hosts, _endpoints, _budget, _openings, _hba, _notes) for text in part(plan)]


def _cluster(plan: Plan) -> Iterator[str]:
    cluster = plan["cluster"]
    yield (
        f"Cluster {cluster['scope']}: PostgreSQL {cluster['postgresql_version']}, recovery time "
        f"{cluster['recovery_time']}, recovery point {cluster['recovery_point']}, TLS "
        f"{'on' if plan['tls']['enabled'] else 'off'}, firewall {'on' if plan['firewall']['enabled'] else 'off'}"
    )


def _hosts(plan: Plan) -> Iterator[str]:
    yield "Hosts"
    for name, host in plan["hosts"].items():
        role = f", {plan['members'][name]['role']}" if name in plan["members"] else ""
        yield f"  {name} ({host['address']}): {', '.join(host['groups'])}{role}"


def _endpoints(plan: Plan) -> Iterator[str]:
    yield "Endpoints"
    for endpoint in plan["endpoints"].values():
        pooled = f"{endpoint['pool_mode']} pool" if endpoint["pool_mode"] else "not pooled"
        hosts = ", ".join(endpoint["hosts"])
        yield f"  {endpoint['name']}: port {endpoint['port']} of {hosts}, {pooled}: {endpoint['purpose']}"


def _budget(plan: Plan) -> Iterator[str]:
    budget = plan["pgbouncer"]["budget"]
    yield "Connections that the pools may open to the primary"
    for term in budget["terms"]:
        yield f"  {term['text']}"
    kept = f"max_connections {budget['max_connections']} less {budget['reserved']}"
    yield f"  {budget['total']} of {budget['available']}: {kept}"


def _openings(plan: Plan) -> Iterator[str]:
    yield "What is open to whom"
    for name, openings in plan["openings"].items():
        yield f"  {name}"
        yield from (f"    {_opening(opening)}" for opening in openings)
        if plan["firewall"]["enabled"]:
            ssh, *_others = plan["firewall"]["hosts"][name]
            yield f"    {ssh['port']}/{ssh['protocol']} {ssh['what']} from {', '.join((*ssh['ip4'], *ssh['ip6']))}"
    if not plan["firewall"]["enabled"]:
        yield "  Without a firewall (firewall_enabled) others reach these ports too: what listens there refuses them."


def _opening(opening: Opening) -> str:
    sources = ", ".join((*opening["hosts"], *opening["networks"])) or "this host alone"
    door = f"{opening['port']}/{opening['protocol']}" if opening["port"] else opening["protocol"]
    return f"{door} {opening['what']} from {sources}"


def _hba(plan: Plan) -> Iterator[str]:
    yield "Who may log in to PostgreSQL, in the order of pg_hba"
    for rule in plan["postgresql"]["hba"]:
        yield f"  {line(rule)}  # {rule['why']}"


def _notes(plan: Plan) -> Iterator[str]:
    if plan["notes"]:
        yield "Notes"
    yield from (f"  {note}" for note in plan["notes"])
