"""The tier that this scenario made, and what it looks like with more hosts in its inventory."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parents[1]
sys.path.insert(0, str(SCENARIO.parents[1] / "tests/support"))

from tier import Tier  # noqa: E402

# Members come before they go.
ORDER = ["test_add", "test_remove", "test_replace"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(Path(item.path).stem))


@pytest.fixture(scope="session")
def with_hosts() -> Callable[..., Tier]:
    """The tier as its inventory has it with these hosts listed beside the first five."""

    def made(*names: str) -> Tier:
        return Tier(SCENARIO / "inventory", beside=("hosts.yml", *(f"{name}.yml" for name in names)))

    return made
