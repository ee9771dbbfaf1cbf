"""The tier that this scenario made, the stranger beside it, and the order in which tests change things."""

from journals import pytest_runtest_makereport
from scenario import artefacts, doors, in_order, own_address, scenario, tier, whole

__all__ = ["artefacts", "doors", "own_address", "pytest_runtest_makereport", "scenario", "tier", "whole"]

# What only looks comes first, then what gives a member another certificate.
pytest_collection_modifyitems = in_order(
    "test_encryption",
    "test_scan",
    "test_strangers",
    "test_firewall",
    "test_impostors",
    "test_expiry",
)
