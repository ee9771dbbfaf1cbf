# SPDX-License-Identifier: Apache-2.0
"""Who can no longer follow, and what is kept for whom."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.slots import slot_name
from ansible_collections.pgtier.cluster.plugins.module_utils.status import wal
from ansible_collections.pgtier.cluster.plugins.module_utils.status.summary import Status, summarise
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import plan

from . import answers

BEGINS = answers.WRITTEN - 1024
AWAY: dict[str, Any] = {"error": "refused"}
REINIT = "playbooks/reinit.yml -e member=pg3 -e reinit_confirm=pg3"


def leader(status: str = "reserved", retained: int | None = 5 * 1024 * 1024, begins: int = BEGINS) -> dict[str, Any]:
    slot = {"slot_name": "pg3", "active": False, "wal_status": status, "retained_bytes": retained}
    return {"oldest_wal": begins, "slots": [slot]}


def stuck(behind: int) -> dict[str, Any]:
    found = answers.replica(behind)
    found["xlog"]["received_location"] = None
    return answers.said({key: value for key, value in found.items() if key != "replication_state"})


def status(pg3: dict[str, Any], replication: dict[str, Any]) -> Status:
    cluster = answers.cluster()
    cluster["patroni"]["members"]["pg3"] = pg3
    return summarise(plan(), [cluster], {}, {}, {"pg1": replication})


@pytest.mark.parametrize(
    ("pg3", "replication", "lost"),
    [
        (stuck(1025), leader("reserved"), True),
        (stuck(1024), leader("lost", None), False),
        (stuck(1025), {}, False),
        (stuck(1025), {"failed": True, "msg": "psql is missing"}, False),
        (AWAY, leader("lost", None), True),
        (AWAY, leader("extended"), False),
        (answers.said(answers.replica(2048)), leader("lost", None), False),
    ],
    ids=[
        "it lacks what is gone",
        "it lacks nothing that is gone",
        "nobody could ask the leader",
        "the leader could not be asked",
        "it is away and its slot is lost",
        "it is away and its slot is not",
        "it streams, from another",
    ],
)
def test_who_cannot_catch_up_is_to_be_copied_anew(pg3: dict[str, Any], replication: dict[str, Any], lost: bool) -> None:
    found = status(pg3, replication)
    assert any("pg3 cannot catch up" in one and REINIT in one for one in found["blocking"]) == lost, found["blocking"]


def test_a_replica_that_runs_and_does_not_stream_is_not_well() -> None:
    assert "pg3 runs and does not stream: see" in " ".join(status(stuck(0), leader())["blocking"])


def test_what_is_kept_is_told_with_its_limit() -> None:
    found = status(AWAY, leader("extended"))
    note = "the leader keeps 5 MiB of WAL for pg3, which is away, and up to 16GB"
    assert note in found["problems"] and note not in found["blocking"]
    assert status(answers.said(answers.replica()), leader())["problems"] == []
    assert list(wal.kept([wal.follower("pg3", {})], leader("lost", None), "16GB")) == []


def test_a_slot_that_was_given_up_is_told_of_while_its_member_streams() -> None:
    found = leader("unreserved")
    found["slots"][0]["invalidation_reason"] = "wal_removed"
    (note,) = status(answers.said(answers.replica()), found)["problems"]
    assert note.startswith("pg3 was away for so long that the leader keeps no WAL for it any more") and REINIT in note


@pytest.mark.parametrize(("name", "slot"), [("pg3", "pg3"), ("DB-1.x", "db_1_x"), ("é", "u0233")])
def test_slot_names(name: str, slot: str) -> None:
    assert slot_name(name) == slot
