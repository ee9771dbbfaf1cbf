"""The files that make one host different from another."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.host import (
    Host,
    hosts_file,
    known_hosts_file,
    nameservers,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import network

NET = network("try", "10.77.5.0/24")


def test_files() -> None:
    one = Host("one", 1, NET, Path("/state")).files(["192.0.2.1"], "ssh-ed25519 KEY\n")
    two = Host("two", 2, NET, Path("/state")).files(["192.0.2.1"], "ssh-ed25519 KEY\n")
    assert one["etc/hostname"] == "one\n"
    assert one["etc/resolv.conf"] == "nameserver 192.0.2.1\n"
    assert "Address=10.77.5.11/24\nGateway=10.77.5.1\n" in one["etc/systemd/network/10-host0.network"]
    assert len(one["etc/machine-id"].strip()) == 32
    assert one["etc/machine-id"] != two["etc/machine-id"]


def test_a_host_of_the_same_name_in_another_lab_has_another_identity() -> None:
    other = network("other", "10.77.6.0/24")
    files = [Host("one", 1, net, Path("/state")).files([], "") for net in (NET, other)]
    assert files[0]["etc/machine-id"] != files[1]["etc/machine-id"]


def test_shared_files() -> None:
    assert hosts_file(NET, [("two", 2), ("one", 1)]).endswith("10.77.5.1 lab-gateway\n10.77.5.11 one\n10.77.5.12 two\n")
    assert known_hosts_file(NET, [("one", 1, "ssh-ed25519 K")]) == "10.77.5.11,one ssh-ed25519 K\n"


@pytest.mark.parametrize(
    ("etc", "upstream", "expected"),
    [
        ("nameserver 192.0.2.1\n", None, ["192.0.2.1"]),
        (
            "nameserver 127.0.0.53\noptions edns0\n",
            "nameserver 192.0.2.7\nnameserver 192.0.2.8\n",
            ["192.0.2.7", "192.0.2.8"],
        ),
        ("nameserver 192.0.2.1\n", "nameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("nameserver ::1\n", None, []),
        (None, None, []),
    ],
)
def test_nameservers(tmp_path: Path, etc: str | None, upstream: str | None, expected: list[str]) -> None:
    resolve = tmp_path / "run/systemd/resolve"
    resolve.mkdir(parents=True)
    for path, text in ((tmp_path / "resolv.conf", etc), (resolve / "resolv.conf", upstream)):
        if text is not None:
            path.write_text(text)
    assert nameservers(tmp_path, tmp_path / "run") == expected
