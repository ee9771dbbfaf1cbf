"""A load on a scenario's tier, spread over its proxies: pgtier's own (module_utils/drill), for tests.

with load.running(tier) as under_load:
    tier.playbook("playbooks/switchover.yml")
assert load.problems(under_load.report) == []
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible_collections.pgtier.cluster.plugins.module_utils.drill import load
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.checker import check, problems
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger as Report

if TYPE_CHECKING:
    from tier import Tier

__all__ = ["CLIENTS", "Report", "check", "problems", "running", "same_rows"]

CLIENTS = 50


@contextmanager
def running(
    tier: Tier,
    writers: int = CLIENTS,
    readers: int = CLIENTS,
    *,
    settings: dict[str, Any] | None = None,
    **options: float,
) -> Iterator[load.Load]:
    """A load on the endpoints `primary` and `replica`. With `settings`, clients have these in their connection strings
    and may connect through any proxy, as an application does; without, each is bound to one.

    `lifetime` is after how many seconds a client makes a new connection, as pools of applications do."""
    proxies = len(tier.groups["proxy"])

    def where(endpoint: str, number: int) -> str:
        if settings is None:
            return tier.conninfo(endpoint, proxy=number % proxies, connect_timeout=60)
        return tier.conninfo(endpoint, **settings)

    connections = load.Connections(
        where("primary", 0),
        [where("primary", number) for number in range(writers)],
        [where("replica", number) for number in range(readers)],
    )
    with load.running(connections, **options) as under_load:
        yield under_load


def same_rows(tier: Tier, schema: str) -> None:
    """Every member has the same rows: one that came back has thrown away what the others never had."""
    statement = f"SELECT count(*), sum(hashtext(w::text)::bigint) FROM {schema}.writes w"
    rows = tier.psql(tier.leader(), statement, "app")
    for name in tier.replicas():
        tier.wait_for_rows(name, statement, rows)
