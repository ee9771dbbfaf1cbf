"""The tier that this scenario made, for its tests; the order in which they break things."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parents[1]
sys.path.insert(0, str(SCENARIO.parents[1] / "tests/support"))

from tier import Tier, wait_until  # noqa: E402

# What only looks comes first, then what takes replicas away, then what kills the primary.
ORDER = [
    "test_check_mode",
    "test_replication",
    "test_transaction_pool",
    "test_session_pool",
    "test_refusals",
    "test_status",
    "test_privileges",
    "test_hardening",
    "test_read_endpoint",
    "test_failover",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(Path(item.path).stem))


@pytest.fixture(scope="session")
def tier() -> Tier:
    return Tier(SCENARIO / "inventory")


@pytest.fixture(autouse=True)
def whole(tier: Tier) -> None:
    """Each test begins with a whole cluster: one that broke it and did not mend it fails the next by name."""
    wait_until("every member is there and streams", 90, tier.whole)


@pytest.fixture
def table(tier: Tier) -> Iterator[str]:
    """A table of the test's own, removed after it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with tier.connect("primary") as connection:
        connection.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, note text)")
    yield name
    with tier.connect("primary") as connection:
        connection.execute(f"DROP TABLE {name}")
