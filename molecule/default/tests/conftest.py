"""The tier that this scenario made, for its tests; the order in which they break things."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from journals import pytest_runtest_makereport
from scenario import in_order, scenario, tier, whole
from tier import Tier

__all__ = ["pytest_runtest_makereport", "scenario", "tier", "whole"]

# What only looks comes first, then what takes proxies away, replicas, and then what kills the primary.
pytest_collection_modifyitems = in_order(
    "test_check_mode",
    "test_replication",
    "test_transaction_pool",
    "test_session_pool",
    "test_refusals",
    "test_status",
    "test_privileges",
    "test_hardening",
    "test_virtual_ip",
    "test_read_endpoint",
    "test_failover",
)


@pytest.fixture
def table(tier: Tier) -> Iterator[str]:
    """A table of the test's own, removed after it."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with tier.connect("primary") as connection:
        connection.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, note text)")
    yield name
    with tier.connect("primary") as connection:
        connection.execute(f"DROP TABLE {name}")
