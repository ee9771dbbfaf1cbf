"""The tier that this scenario made, who breaks it, and which faults are tried."""

from __future__ import annotations

import pytest
from failing import Saboteur
from journals import pytest_runtest_makereport
from scenario import scenario, tier, whole
from tier import Tier

__all__ = ["pytest_runtest_makereport", "scenario", "tier", "whole"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="every fault, not only the short set")
    parser.addoption("--mutations", action="store_true", help="only the mutations: settings broken on purpose")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without an option, the short set only, and pytest says so; the control comes last, as it changes the cluster."""
    items.sort(key=lambda item: item.path.stem == "test_control")

    def wanted(item: pytest.Item) -> bool:
        if (item.get_closest_marker("mutation") is not None) != bool(config.getoption("--mutations")):
            return False
        return item.get_closest_marker("full") is None or bool(config.getoption("--full"))

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


@pytest.fixture(scope="session")
def saboteur(tier: Tier) -> Saboteur:
    return Saboteur(tier)
