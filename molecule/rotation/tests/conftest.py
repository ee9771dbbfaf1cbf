"""The tier that this scenario made, the stranger beside it, and who listens while everything is rotated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from journals import pytest_runtest_makereport
from ports import STRANGER
from scenario import artefacts, doors, in_order, own_address, scenario, tier, whole
from tier import Tier
from witness import Witness

__all__ = ["artefacts", "doors", "own_address", "pytest_runtest_makereport", "scenario", "tier", "whole"]

# What came to light in the rotations is searched for at the end.
pytest_collection_modifyitems = in_order("test_rotation", "test_canaries")


@pytest.fixture(scope="session")
def witness(tier: Tier) -> Iterator[Witness]:
    one = Witness(tier, [*tier.groups["postgres"], STRANGER])
    one.watch()
    yield one
    one.stop()
