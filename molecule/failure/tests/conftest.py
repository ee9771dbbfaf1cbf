"""The tier that this scenario made, who breaks it, and which faults are tried."""

from __future__ import annotations

import pytest
from failing import Saboteur
from scenario import scenario, tier, whole
from tier import Tier

__all__ = ["scenario", "tier", "whole"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every fault, not only the short set")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --full, the short set only, which pytest says; the control comes last, as it changes the cluster."""
    items.sort(key=lambda item: item.path.stem == "test_control")
    left = [item for item in items if item.get_closest_marker("full") and not config.getoption("--full")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


@pytest.fixture(scope="session")
def saboteur(tier: Tier) -> Saboteur:
    return Saboteur(tier)
