"""Everything is reinstalled and restarted, host after host, while clients work that renew their connections."""

from __future__ import annotations

import re

import load
import pytest
from tier import Tier

UPDATE = "playbooks/update.yml"
# As pools of applications do within minutes; the playbook waits for them.
LIFETIME_SECONDS = 5.0
# What restarts on each host; its process id tells.
UNITS = {"etcd": ["etcd"], "postgres": ["patroni"], "proxy": ["pgbouncer@primary", "pgbouncer@replica"]}


def processes(tier: Tier) -> dict[tuple[str, str], str]:
    return {
        (name, unit): tier.host(name).check_output("systemctl show --value -p MainPID %s", unit)
        for group, units in UNITS.items()
        for name in tier.groups[group]
        for unit in units
    }


@pytest.fixture
def nothing_to_do(tier: Tier) -> None:
    """The newest versions are there: an update finds nothing, and changes nothing."""
    tier.unchanged(UPDATE)


@pytest.mark.usefixtures("nothing_to_do")
def test_an_update_of_everything_under_load_fails_nothing(tier: Tier) -> None:
    before, leader = processes(tier), tier.leader()
    with load.running(tier, lifetime=LIFETIME_SECONDS) as under_load:
        output = tier.output(UPDATE, "-e", "update_reinstall=true", "-e", "update_drain_seconds=20")
    after = processes(tier)
    assert [one for one, process in before.items() if after[one] in (process, "0")] == []
    assert tier.leader() != leader
    assert re.search(r"let go", output) is None, "clients renew their connections, and some were cut all the same"
    print(under_load.report)
    assert load.problems(under_load.report) == []
