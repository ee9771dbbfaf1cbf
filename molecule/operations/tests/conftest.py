"""The tier that this scenario made, and the order of its tests."""

from journals import pytest_runtest_makereport
from scenario import in_order, scenario, tier, whole

__all__ = ["pytest_runtest_makereport", "scenario", "tier", "whole"]

# What is refused comes first, then what succeeds, then what is killed on the way.
pytest_collection_modifyitems = in_order(
    "test_refusals",
    "test_configuration",
    "test_switchover",
    "test_restart",
    "test_reinit",
    "test_overload",
    "test_maintenance",
    "test_update",
    "test_interrupted",
)
