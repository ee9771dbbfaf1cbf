"""A primary's host that most members find silent: no race for the lead shall wait for it. If it is alive, nothing comes
of that. (test_control.py has one that is not.)"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from failing import journal
from tier import Tier, wait_until

TABLE = "inet pgtier_test"
CHAIN = "type filter hook input priority 0; tcp dport {{ 5432, 8008 }} ip saddr {{ {} }} drop;"
UNLISTED = "no race for the lead will wait for its answer"


@contextmanager
def silent(tier: Tier, leader: str) -> Iterator[None]:
    """What the other members send to PostgreSQL and Patroni is lost; etcd and the proxies notice nothing."""
    others = ", ".join(tier.address(name) for name in tier.groups["postgres"] if name != leader)
    tier.feed(leader, "nft -f -", f"table {TABLE} {{\nchain input {{ {CHAIN.format(others)} }}\n}}")
    try:
        yield
    finally:
        tier.host(leader).check_output(f"nft delete table {TABLE}")


def answered(tier: Tier, leader: str, since: float) -> bool:
    """Whether the primary has heard of every replica since then. A connection that was silent for some seconds may be
    given up by one end only after it is whole again."""
    heard = f"SELECT count(*) FROM pg_stat_replication WHERE reply_time > to_timestamp({since:.3f})"
    return tier.psql(leader, heard) == [[str(len(tier.groups["postgres"]) - 1)]]


def address(tier: Tier, name: str) -> str | None:
    """Of its Patroni, by its member key."""
    asked = next(other for other in tier.groups["postgres"] if other != name)
    return next(row["api_url"] for row in tier.cluster(asked) if row["name"] == name)


def test_a_silent_primary_that_is_alive_keeps_the_lead_and_its_address(tier: Tier) -> None:
    leader, begin = tier.leader(), time.time()
    before, timeline = address(tier, leader), tier.members()[leader].timeline
    assert before
    with silent(tier, leader):
        wait_until("it is silent", 20, lambda: UNLISTED in journal(tier, "pgtier-succession", begin), pause=1)
        wait_until("it has listed itself again", 15, lambda: address(tier, leader) == before)
        seen = []
        for _ in range(30):
            seen.append(address(tier, leader))
            time.sleep(0.2)
        assert set(seen) == {before}, "it is not left alone"
    healed = time.time()
    wait_until("all is as it was", 60, lambda: answered(tier, leader, healed) and tier.whole())
    assert (tier.leader(), tier.members()[leader].timeline) == (leader, timeline)
