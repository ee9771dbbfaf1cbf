"""Named faults under load: whatever strikes, no acknowledged write is lost, and writes go on within a bound."""

from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker
from failing import FAULTS, Saboteur

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
