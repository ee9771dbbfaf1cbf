"""The tier that this scenario made, for its tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parents[1]
sys.path.insert(0, str(SCENARIO.parents[1] / "tests/support"))

from tier import Tier, wait_until  # noqa: E402

# What is refused comes first, then what succeeds, then what is killed on the way.
ORDER = ["test_refusals", "test_switchover", "test_restart", "test_reinit", "test_maintenance", "test_interrupted"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(Path(item.path).stem))


@pytest.fixture(scope="session")
def tier() -> Tier:
    return Tier(SCENARIO / "inventory")


@pytest.fixture(autouse=True)
def whole(tier: Tier) -> None:
    """Each test begins with a whole cluster: one that broke it and did not mend it fails the next by name."""
    wait_until("every member is there and streams", 90, tier.whole)
