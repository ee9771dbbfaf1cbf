"""Maintenance mode: every member knows of it when the playbook is done, and clients notice nothing."""

from __future__ import annotations

import load
from tier import Tier


def paused(tier: Tier) -> list[bool]:
    return [bool(tier.status(name).get("pause")) for name in tier.groups["postgres"]]


def test_maintenance_mode_begins_and_ends(tier: Tier) -> None:
    with load.running(tier, writers=5, readers=5) as under_load:
        try:
            tier.playbook("playbooks/pause.yml")
            assert paused(tier) == [True, True, True]
            tier.unchanged("playbooks/pause.yml")
            assert "playbooks/resume.yml" in tier.refusal("playbooks/switchover.yml")
        finally:
            tier.playbook("playbooks/resume.yml")
        assert paused(tier) == [False, False, False]
        tier.unchanged("playbooks/resume.yml")
    assert load.problems(under_load.report) == []
