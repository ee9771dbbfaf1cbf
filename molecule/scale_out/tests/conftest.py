"""The tier that this scenario made, and what it looks like with more hosts in its inventory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from journals import pytest_runtest_makereport
from scenario import in_order, scenario
from tier import Tier

__all__ = ["pytest_runtest_makereport", "scenario"]

# Members come before they go.
pytest_collection_modifyitems = in_order("test_add", "test_remove", "test_replace")


@pytest.fixture(scope="session")
def with_hosts(scenario: Path) -> Callable[..., Tier]:
    """The tier as its inventory has it with these hosts listed beside the first five."""

    def made(*names: str) -> Tier:
        return Tier(scenario / "inventory", beside=("hosts.yml", *(f"{name}.yml" for name in names)))

    return made
