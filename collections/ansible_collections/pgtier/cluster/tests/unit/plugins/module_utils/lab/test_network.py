"""Names and addresses that follow from a lab's name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import (
    FIRST_ADDRESS,
    HIGHEST_INDEX,
    cache_directory,
    host_problems,
    inventory_hosts,
    network,
    state_directory,
)
from hypothesis import given
from hypothesis import strategies as st

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", fullmatch=True)


@given(NAMES, st.integers(1, HIGHEST_INDEX))
def test_names_fit_what_the_kernel_and_nspawn_take(name: str, index: int) -> None:
    net = network(name)
    assert len(net.bridge) <= 15
    # nspawn abbreviates what is longer, and then the port is not where we look for it.
    assert len(net.port(index)) <= 15
    assert net.port(index) == f"vb-{net.machine(index)}"
    assert net.subnet.is_private
    assert net.address(index) != net.gateway


def test_the_same_name_gives_the_same_lab_for_ever() -> None:
    """State that is on disk is found again by these: a change of them loses the labs that people have."""
    net = network("pgtier")
    assert (net.tag, str(net.subnet), net.bridge, net.address(1), net.port(12)) == (
        "a05220",
        "10.118.33.0/24",
        "pgt-a05220",
        "10.118.33.11",
        "vb-a05220h12",
    )
    assert net.bridge_mac == "02:70:a0:52:20:01"


def test_labs_of_different_names_share_nothing() -> None:
    nets = [network(f"lab-{number}") for number in range(40)]
    assert len({net.bridge for net in nets}) == len({net.subnet for net in nets}) == 40


def test_subnet_of_choice() -> None:
    assert network("a", "10.77.5.0/24").address(1) == f"10.77.5.{FIRST_ADDRESS + 1}"


@pytest.mark.parametrize(
    ("name", "subnet", "message"),
    [
        ("", None, "lab name ''"),
        ("Lab", None, "lower-case"),
        ("-a", None, "inner hyphens"),
        ("a/b", None, "lab name 'a/b'"),
        ("a" * 41, None, "1 to 40"),
        ("a", "10.77.5.0", "needs a /24"),
        ("a", "10.77.0.0/16", "needs a /24"),
        ("a", "10.77.5.1/24", "host bits set"),
        ("a", "nonsense", "give an IPv4 network"),
    ],
)
def test_refused(name: str, subnet: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        network(name, subnet)


@pytest.mark.parametrize("index", [0, -1, HIGHEST_INDEX + 1])
def test_index_out_of_range(index: int) -> None:
    with pytest.raises(ValueError, match="outside 1 to 200"):
        network("a").address(index)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        ([("a", 1), ("b", 2)], []),
        ([("a", 1), ("a", 2)], ["listed twice"]),
        ([("a", 1), ("b", 1)], ["index 1 belongs to 'a' too"]),
        ([("A", 0), ("b_c", 201)], ["'A': use", "index 0", "'b_c': use", "index 201"]),
    ],
)
def test_all_host_problems_at_once(hosts: list[tuple[str, int]], expected: list[str]) -> None:
    found = host_problems(hosts)
    assert len(found) == len(expected)
    assert all(part in problem for part, problem in zip(expected, found, strict=True))


def test_inventory_hosts() -> None:
    assert inventory_hosts(["a", "b"], {"a": 1, "b": 2, "c": 3}) == [
        {"name": "a", "index": 1},
        {"name": "b", "index": 2},
    ]
    with pytest.raises(ValueError, match="lab_index of b, c: "):
        inventory_hosts(["a", "b", "c"], {"a": 1, "b": None})


@pytest.mark.parametrize(
    ("environment", "state", "cache"),
    [
        ({"HOME": "/home/u"}, "/home/u/.local/state/pgtier/labs/a", "/home/u/.cache/pgtier"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_CACHE_HOME": "/c"}, "/s/pgtier/labs/a", "/c/pgtier"),
        ({}, "/root/.local/state/pgtier/labs/a", "/root/.cache/pgtier"),
    ],
)
def test_directories(environment: dict[str, str], state: str, cache: str) -> None:
    assert state_directory(environment, "a") == state
    assert cache_directory(environment) == cache
