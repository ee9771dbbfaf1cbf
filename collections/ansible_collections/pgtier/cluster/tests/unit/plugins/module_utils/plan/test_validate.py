"""Bad inventories, each with all that is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import HostFacts
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.mistakes import PlanError
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.bad_inventories import BAD
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import inventory

EXPECTED: dict[str, list[str]] = yaml.safe_load(Path(__file__).with_name("bad_inventories.yml").read_text())


def test_the_example_that_the_bad_ones_are_made_from_is_right() -> None:
    build_plan(inventory())


def test_every_bad_inventory_has_its_messages() -> None:
    assert list(EXPECTED) == list(BAD)
    assert len(BAD) >= 60


@pytest.mark.parametrize("name", BAD)
def test_bad_inventory(name: str) -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(BAD[name])
    assert [str(mistake) for mistake in caught.value.mistakes] == [text.rstrip("\n") for text in EXPECTED[name]]


def test_message_counts_and_numbers_the_mistakes() -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(BAD["everything at once"])
    lines = str(caught.value).splitlines()
    assert lines[0] == f"The inventory has {len(caught.value.mistakes)} mistakes; no host was touched."
    assert lines[1].startswith("  1. ")
    assert str(PlanError(caught.value.mistakes[:1])).startswith("The inventory has one mistake; ")


def test_memory_of_a_host_that_told_it_is_checked_too() -> None:
    with pytest.raises(PlanError) as caught:
        build_plan(inventory(), {"pg2": HostFacts(memory_mb=1024, cores=2)})
    assert [(mistake.where, mistake.value) for mistake in caught.value.mistakes] == [("host pg2", "1024 (of the host)")]


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"postgresql_parameters": {"max_slot_wal_keep_size": "32GB"}}, "postgresql_parameters"),
        ({"postgresql_member_parameters": {"max_slot_wal_keep_size": "32GB"}}, "postgresql_member_parameters"),
    ],
)
def test_wal_that_is_kept_has_to_fit_on_the_disk(variables: dict[str, Any], path: str) -> None:
    told = {"pg2": HostFacts(memory_mb=8192, cores=2, disk_mb=20480)}
    with pytest.raises(PlanError) as caught:
        build_plan(inventory(**variables), told)
    (mistake,) = caught.value.mistakes
    assert str(mistake).startswith(
        f"host pg2: {path}.max_slot_wal_keep_size = 32768 MB: is more than the file system of its data has: 20480 MB"
    )
    build_plan(inventory(**variables), {"pg2": HostFacts(memory_mb=8192, cores=2, disk_mb=40960)})
