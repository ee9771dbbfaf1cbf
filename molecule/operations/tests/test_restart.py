"""A parameter that only a restart can apply: site.yml says so, and restart.yml does it while clients work."""

from __future__ import annotations

import load
from tier import Tier

CHANGED = ("-e", '{"postgresql_parameters": {"max_prepared_transactions": 7}}')
SHOW = "SHOW max_prepared_transactions"
STARTED = "SELECT pg_postmaster_start_time()"


def started(tier: Tier) -> dict[str, str]:
    return {name: tier.psql(name, STARTED)[0][0] for name in tier.groups["postgres"]}


def test_a_rolling_restart_under_load_fails_nothing(tier: Tier) -> None:
    assert "playbooks/restart.yml" in tier.output("site.yml", *CHANGED)
    before, leader = started(tier), tier.leader()
    assert {tier.psql(name, SHOW)[0][0] for name in before} == {"0"}
    with load.running(tier) as under_load:
        tier.playbook("playbooks/restart.yml")
        assert {tier.psql(name, SHOW)[0][0] for name in before} == {"7"}
        assert all(started(tier)[name] != moment for name, moment in before.items())
        assert tier.leader() != leader
        after = started(tier)
        # Nothing awaits one any more.
        tier.unchanged("playbooks/restart.yml")
        assert started(tier) == after
    print(under_load.report)
    assert load.problems(under_load.report) == []


def test_one_that_awaits_no_restart_is_restarted_on_request_alone(tier: Tier) -> None:
    before, name = started(tier), tier.replicas()[0]
    tier.playbook("playbooks/restart.yml", "-e", "restart_all=true", "-e", f"restart_hosts={name}")
    assert {one for one, moment in started(tier).items() if moment != before[one]} == {name}
