"""The primary's postmaster is killed under a light load: writes go on, and no acknowledged write is lost."""

from __future__ import annotations

import time

import load
from load import check
from tier import Tier, wait_until

# Generous for a busy machine; what was measured is printed. A tier that waits out Patroni's ttl (20 s) fails this.
WRITES_AGAIN_WITHIN_SECONDS = 15
WHOLE_AGAIN_WITHIN_SECONDS = 90


def test_a_killed_primary_costs_seconds_and_no_acknowledged_row(tier: Tier) -> None:
    old = tier.leader()
    with load.running(tier, writers=5, readers=1, pause=0.02) as under_load:
        time.sleep(3)
        tier.host(old).check_output("kill -9 $(head -n 1 /var/lib/postgresql/*/main/postmaster.pid)")
        wait_until("another member is the leader", 60, lambda: tier.leader() != old)
        # It has thrown away what the others never had: every member holds the same rows.
        wait_until("the old primary is back as a replica", WHOLE_AGAIN_WITHIN_SECONDS, tier.whole)
        assert old in tier.replicas()
        under_load.stop()
        load.same_rows(tier, under_load.schema)
    print(under_load.report)
    assert check(under_load.report) == []
    assert under_load.report.longest_stall < WRITES_AGAIN_WITHIN_SECONDS
    leaders = {write.server for write in under_load.report.writes}
    assert len(leaders) == 2 and tier.address(old) in leaders, "writes before it, and after it"


def test_nothing_is_left_to_change_after_the_failover(tier: Tier) -> None:
    """site.yml does not mind who leads: a run after a failover would change nothing."""
    recap = tier.playbook("site.yml", "--check", "--diff")
    assert {host: numbers["changed"] for host, numbers in recap.items() if numbers["changed"]} == {}
