"""Named faults under load: whatever strikes, no acknowledged write is lost, and writes go on within a bound."""

from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker
from failing import FAULTS, Saboteur
from tier import Tier, wait_until

# Those that take seconds, of each kind. The control, which is always run, has a host that is lost.
SHORT = {
    "kill_postgres",
    "kill_patroni",
    "kill_etcd",
    "kill_haproxy",
    "kill_pgbouncer",
    "cut_off_briefly",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SHORT else pytest.mark.full) for name in FAULTS]
)
def test_fault(saboteur: Saboteur, name: str) -> None:
    fault = FAULTS[name]
    trial = saboteur.attempt(fault)
    print(f"{name}: {fault.does}. {trial}")
    assert len(trial.ledger.writes) > 100, "there was hardly a load"
    assert [anomaly.text for anomaly in checker.check(trial.ledger)] == []
    if fault.blocks:
        assert trial.recovery_after_healing < fault.bound
    else:
        assert trial.recovery < fault.bound


@pytest.mark.full
def test_a_replica_that_is_lost_together_with_etcds_leader_does_not_cost_the_primary(
    tier: Tier, saboteur: Saboteur
) -> None:
    """While etcd elects, Patroni on the primary has to wait for it, instead of giving up each member in turn."""
    wait_until("etcd is led from a replica's host", 90, lambda: saboteur.etcd_leader() != tier.leader())
    leader, lost, timeline = tier.leader(), saboteur.etcd_leader(), tier.members()[tier.leader()].timeline
    fault = FAULTS["lose_replica"]
    trial = saboteur.trial(saboteur.struck(fault, [lost]), fault.lasts, [lost])
    print(f"{fault.does}, and with it etcd's leader. {trial}")
    assert [anomaly.text for anomaly in checker.check(trial.ledger)] == []
    assert trial.recovery < fault.bound
    assert (tier.leader(), tier.members()[leader].timeline) == (leader, timeline)
