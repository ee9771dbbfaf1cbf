"""The tier that this scenario made, the stranger beside it, and the order in which tests change things."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SCENARIO = Path(__file__).parents[1]
TOP = SCENARIO.parents[1]
# The attacker's tools are those of the scenario `security`.
SHARED = ("tests/support", "collections", "molecule/security/tests")
sys.path[:0] = [str(Path(__file__).parent), *(str(TOP / path) for path in SHARED)]

from ports import STRANGER, Port, ports  # noqa: E402
from tier import Tier, wait_until  # noqa: E402
from witness import Witness  # noqa: E402

# What came to light in the rotations is searched for at the end.
ORDER = ["test_rotation", "test_canaries"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.index(Path(item.path).stem))


@pytest.fixture(scope="session")
def tier() -> Tier:
    return Tier(SCENARIO / "inventory")


@pytest.fixture(autouse=True)
def whole(tier: Tier) -> None:
    """Each test begins with a whole cluster: one that broke it and did not mend it fails the next by name."""
    wait_until("every member is there and streams", 90, tier.whole)


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where outputs are kept for who wants to read them."""
    directory = TOP / ".cache/artefacts/rotation"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture(scope="session")
def doors(tier: Tier) -> list[Port]:
    """Every port that the cluster serves to the network."""
    return ports(tier)


@pytest.fixture(scope="session")
def own_address(tier: Tier) -> str:
    """This computer's address on the network of the lab."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((tier.address(STRANGER), 9))
        return str(probe.getsockname()[0])


@pytest.fixture(scope="session")
def witness(tier: Tier) -> Iterator[Witness]:
    one = Witness(tier, [*tier.groups["postgres"], STRANGER])
    one.watch()
    yield one
    one.stop()
