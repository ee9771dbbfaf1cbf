"""The tier that this scenario made, for its tests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parents[1]
sys.path.insert(0, str(SCENARIO.parents[1] / "tests/support"))

from failing import Saboteur  # noqa: E402
from tier import Tier, wait_until  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every fault, not only the short set")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --full, the short set only, which is said; the control comes last, as it changes the cluster."""
    items.sort(key=lambda item: "test_control" in item.nodeid)
    left = [item for item in items if item.get_closest_marker("full") and not config.getoption("--full")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def tier() -> Tier:
    return Tier(SCENARIO / "inventory")


@pytest.fixture(scope="session")
def saboteur(tier: Tier) -> Saboteur:
    return Saboteur(tier)


@pytest.fixture(autouse=True)
def whole(tier: Tier) -> None:
    """Each test begins with a whole cluster: one that broke it and did not mend it fails the next by name."""
    wait_until("every member is there and streams", 90, tier.whole)
