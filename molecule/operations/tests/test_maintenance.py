"""Maintenance mode: every member knows of it when the playbook is done, and clients notice nothing."""

from __future__ import annotations

import json

import load
from tier import RESTAPI_PORT, Tier


def paused(tier: Tier) -> list[bool]:
    def status(name: str) -> dict[str, object]:
        url = f"https://{tier.address(name)}:{RESTAPI_PORT}/patroni"
        answer = tier.host(name).check_output("curl -sS --cacert /etc/pgtier/ca.crt %s", url)
        return dict(json.loads(answer))

    return [bool(status(name).get("pause")) for name in tier.groups["postgres"]]


def test_maintenance_mode_begins_and_ends(tier: Tier) -> None:
    with load.running(tier, writers=5, readers=5) as under_load:
        tier.playbook("playbooks/pause.yml")
        assert paused(tier) == [True, True, True]
        tier.unchanged("playbooks/pause.yml")
        assert "playbooks/resume.yml" in tier.refusal("playbooks/switchover.yml")
        tier.playbook("playbooks/resume.yml")
        assert paused(tier) == [False, False, False]
        tier.unchanged("playbooks/resume.yml")
    assert under_load.report.problems() == []
