"""playbooks/drill.yml as a user runs it: refused without the right name, a report, nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tier import Tier

pytestmark = pytest.mark.full

DRILL = "playbooks/drill.yml"


def test_a_drill_of_another_cluster_is_refused(tier: Tier) -> None:
    assert "-e drill_confirm=main" in tier.refusal(DRILL, "-e", "drill_confirm=other")


def test_a_fault_that_there_is_not_is_refused(tier: Tier) -> None:
    assert "there is no kill_everything; there are kill_postgres" in tier.refusal(
        DRILL, "-e", "drill_faults=kill_everything"
    )


def test_a_drill_reports_and_leaves_nothing(tier: Tier, tmp_path: Path) -> None:
    tier.playbook(
        DRILL,
        "-e",
        "drill_confirm=main",
        "-e",
        "drill_faults=kill_postgres,freeze_pgbouncer",
        "-e",
        f"drill_reports={tmp_path}",
    )
    (file,) = tmp_path.glob("*.json")
    report = json.loads(file.read_text())
    assert [fault["fault"] for fault in report["faults"]] == ["kill_postgres", "freeze_pgbouncer"]
    killed, frozen = report["faults"]
    assert 0 < killed["recovery_seconds"] < 15 and killed["target"] in tier.groups["postgres"]
    assert 0 < frozen["recovery_seconds"] < 10 and frozen["healed"] - frozen["struck"] >= 15
    assert report["acknowledged"] > 1000 and report["lost"] == 0 and report["anomalies"] == []
    assert {spell["server"] for spell in report["leaders"]} <= set(tier.groups["postgres"])
    assert len(report["leaders"]) == 2
    assert "<svg" in file.with_suffix(".html").read_text() and "kill_postgres" in file.with_suffix(".txt").read_text()

    schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgtier_load%'"
    assert tier.psql(tier.leader(), schemas, "app") == [["0"]]
    for name in tier.groups["proxy"]:
        left = tier.host(name).check_output("systemctl list-timers --all --plain | grep -c pgtier-drill || true")
        assert left.strip() == "0"


def test_a_prediction_breaks_nothing(tier: Tier) -> None:
    before = tier.members()
    tier.playbook(DRILL, "--check", "-e", "drill_confirm=main", "-e", "drill_faults=freeze_postgres")
    assert {name: (m.role, m.timeline) for name, m in tier.members().items()} == {
        name: (m.role, m.timeline) for name, m in before.items()
    }
