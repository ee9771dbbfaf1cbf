"""What keeps a lab from coming up, told all at once."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import network
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.preflight import (
    PROGRAMS,
    missing_programs,
    resource_problems,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.wires import rules, subnet_conflicts

NET = network("try", "10.77.5.0/24")


def test_missing_programs_come_with_the_line_that_installs_them() -> None:
    assert missing_programs(set(PROGRAMS)) == []
    (problem,) = missing_programs(set(PROGRAMS) - {"nft", "systemd-nspawn"})
    assert problem.endswith("apt-get install --yes nftables systemd-container")
    assert "nft, systemd-nspawn" in problem


@pytest.mark.parametrize(
    ("hosts", "image", "memory", "free", "expected"),
    [
        (0, True, 0, 0, []),
        (5, True, 4000, 9000, []),
        (5, True, 1000, 9000, ["memory: 5 more hosts"]),
        (5, True, 4000, 100, ["disk: the hosts"]),
        (5, False, 1000, 100, ["memory", "disk: the hosts", "disk: the image"]),
    ],
)
def test_resources(hosts: int, image: bool, memory: int, free: int, expected: list[str]) -> None:
    disks = {purpose: (Path("/x"), free) for purpose in ("hosts", "image")}
    found = resource_problems(hosts, image, memory, disks)
    assert len(found) == len(expected)
    assert all(problem.startswith(part) for part, problem in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        ([], []),
        ([{"dst": "default", "dev": "eth0"}, {"dst": "192.168.0.0/16", "dev": "eth0"}], []),
        ([{"dst": "10.77.5.0/24", "dev": NET.bridge}, {"dst": "10.77.5.255", "dev": NET.bridge}], []),
        ([{"dst": "10.77.0.0/16", "dev": "tun0"}, {"dst": "10.77.5.4", "dev": "tun0"}], ["10.77.0.0/16 on tun0"]),
        ([{"dst": "10.77.5.9", "dev": "eth1"}, {"dst": "fe80::/64", "dev": "eth0"}], ["10.77.5.9/32 on eth1"]),
        ([{"dst": "0.0.0.0/0", "dev": "eth0"}], []),
    ],
)
def test_subnet_conflicts(routes: list[dict[str, Any]], expected: list[str]) -> None:
    found = subnet_conflicts(NET, routes)
    assert len(found) == len(expected)
    assert all(part in problem for part, problem in zip(expected, found, strict=True))


def test_rules_concern_this_lab_only() -> None:
    text = rules(NET)
    assert text.count(f"{NET.table} {{") == 2
    assert 'ip saddr 10.77.5.0/24 ip daddr != 10.77.5.0/24 oifname != "' + NET.bridge in text
