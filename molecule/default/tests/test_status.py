"""playbooks/status.yml tells what is, and does with what answers when something does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tier import Tier, wait_until


def status(tier: Tier, file: Path) -> dict[str, Any]:
    recap = tier.playbook("playbooks/status.yml", "-e", f"status_file={file}")
    assert sum(numbers["failed"] + numbers["unreachable"] for numbers in recap.values()) == 0
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_a_cluster_that_is_well(tier: Tier, tmp_path: Path) -> None:
    found = status(tier, tmp_path / "status.json")
    assert found["problems"] == []
    assert found["leader"] == tier.leader()
    members = {row["name"]: row for row in found["members"]}
    assert set(members) == set(tier.groups["postgres"])
    assert {row["timeline"] for row in members.values()} == {found["timeline"]}
    assert all(members[name]["lag_bytes"] is not None for name in tier.replicas())
    version = tier.psql(found["leader"], "SHOW server_version")[0][0]
    assert version.startswith(members[found["leader"]]["postgresql"])
    assert sum(row["leads"] for row in found["etcd"]) == 1
    assert all(row["healthy"] and row["size_bytes"] for row in found["etcd"])
    for row in found["endpoints"]:
        leads = tier.replicas() if row["target"] == "replica" else [tier.leader()]
        assert row["leads_to"] == {proxy: leads for proxy in tier.groups["proxy"]}, row["name"]
    assert all(row["days_left"] > 300 for row in found["certificates"])


def test_a_client_shows_in_its_pool(tier: Tier, tmp_path: Path) -> None:
    with tier.connect("primary_session", proxy=1) as connection:
        connection.execute("SELECT 1")
        found = status(tier, tmp_path / "status.json")
    pools = {(row["endpoint"], row["proxy"]): row for row in found["pools"]}
    pool = pools["primary_session", tier.groups["proxy"][1]]
    assert pool["clients_active"] >= 1 and pool["servers_active"] >= 1 and pool["saturation"] > 0


@pytest.mark.parametrize("group", ["postgres", "proxy"])
def test_the_rest_is_told_while_a_host_is_frozen(tier: Tier, tmp_path: Path, group: str) -> None:
    """The first member is the one that would be asked about all others."""
    gone = tier.groups["postgres"][0] if group == "postgres" else tier.groups["proxy"][0]
    fault = ("playbooks/lab_fault.yml", "-e", f"host={gone}", "-e")
    tier.playbook(*fault, "fault=frozen")
    try:
        found = status(tier, tmp_path / "status.json")
    finally:
        tier.playbook(*fault, "fault=thawed")
    assert any(problem.startswith(f"{gone} cannot be reached") for problem in found["problems"]), found["problems"]
    if group == "proxy":
        assert {row["proxy"] for row in found["pools"]} == {tier.groups["proxy"][1]}
        assert found["leader"] == tier.leader()
        return
    assert found["asked_from"] == tier.groups["postgres"][1]
    members = {row["name"]: row["answers"] for row in found["members"]}
    assert members == {name: name != gone for name in tier.groups["postgres"]}
    assert [row["name"] for row in found["etcd"] if not row["healthy"]] == [gone]
    wait_until("every member is there again", 120, tier.whole)
