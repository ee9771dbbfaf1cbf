"""The tier that this scenario made, and this computer as the one that can pull its hosts' plugs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from failing import Saboteur
from journals import pytest_runtest_makereport
from plugs import Plugs
from scenario import in_order, scenario, tier, whole
from tier import Tier

__all__ = ["pytest_runtest_makereport", "scenario", "tier", "whole"]

pytest_collection_modifyitems = in_order("test_apart", "test_ended", "test_fence")


@pytest.fixture(scope="session")
def saboteur(tier: Tier) -> Saboteur:
    return Saboteur(tier)


@pytest.fixture
def plugs(saboteur: Saboteur) -> Iterator[Plugs]:
    with Plugs(saboteur) as one:
        yield one
