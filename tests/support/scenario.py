"""What scenarios' conftests share. Each imports what it needs, and a fixture's own fixtures with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from ports import STRANGER, Port, ports
from tier import TOP, Tier, wait_until


def in_order(*modules: str) -> Callable[[list[pytest.Item]], None]:
    """The hook that has these modules' tests run in this order. One that is not named is an error."""

    def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: modules.index(item.path.stem))

    return pytest_collection_modifyitems


@pytest.fixture(scope="session")
def scenario(request: pytest.FixtureRequest) -> Path:
    """The folder of the scenario whose tests these are, or of another one's hosts that they are to run on."""
    given = os.environ.get("PGTIER_SCENARIO")
    return TOP / "molecule" / given if given else request.session.items[0].path.parents[1]


@pytest.fixture(scope="session")
def tier(scenario: Path) -> Tier:
    return Tier(scenario / "inventory")


@pytest.fixture(autouse=True)
def whole(tier: Tier) -> None:
    """Each test begins with a whole cluster: one that broke it and did not mend it fails the next by name."""
    wait_until("every member is there and streams", 90, tier.whole)


@pytest.fixture(scope="session")
def artefacts(scenario: Path) -> Path:
    """Where outputs are kept for who wants to read them."""
    directory = TOP / ".cache/artefacts" / scenario.name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


# With a stranger beside the cluster


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
