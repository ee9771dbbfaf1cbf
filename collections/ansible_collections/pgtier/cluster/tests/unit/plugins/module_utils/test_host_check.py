from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.host_check import (
    Clock,
    Limits,
    Listener,
    Observed,
    Wanted,
    clock_of,
    clock_problem,
    interface_of,
    problems,
    ssh_connection,
)

LIMITS = Limits(
    supported={"debian": ["13"]},
    memory_mb=512,
    disk_free_mb=1024,
    ports=[Wanted(5432, "postgres", "postgresql_port"), Wanted(8008, "patroni", "patroni_restapi_port")],
    data_directory="/var/lib/postgresql/17/main",
)
FIT = Observed("debian", "13", "Debian GNU/Linux 13 (trixie)", 2048, 4096)


def test_a_fit_host_has_no_problems() -> None:
    assert problems(FIT, LIMITS) == []


def test_our_own_processes_may_hold_their_ports() -> None:
    running = dataclasses.replace(
        FIT, listeners=[Listener(5432, "postgres"), Listener(8008, "patroni")], data_directory_state="ours"
    )
    assert problems(running, LIMITS) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"os_version": "12", "os_name": "Debian GNU/Linux 12 (bookworm)"},
            "runs Debian GNU/Linux 12 (bookworm), which",
        ),
        ({"os_id": "ubuntu", "os_name": "Ubuntu 24.04"}, "supported: debian 13"),
        ({"memory_mb": 511}, "has 511 MiB of memory, 512 MiB are needed"),
        ({"disk_free_mb": 1023}, "has 1023 MiB free"),
        (
            {"listeners": [Listener(5432, "nginx")]},
            "(postgresql_port) is wanted by postgres and taken by nginx",
        ),
        ({"listeners": [Listener(8008, "")]}, "taken by an unknown process"),
        ({"unresolved": ["pg1"]}, "cannot resolve the name pg1"),
        ({"data_directory_state": "foreign"}, "did not make and will not overwrite"),
    ],
)
def test_each_problem_is_named(change: dict[str, object], message: str) -> None:
    (problem,) = problems(dataclasses.replace(FIT, **change), LIMITS)  # type: ignore[arg-type]
    assert message in problem


def test_all_problems_are_found_at_once() -> None:
    bad = dataclasses.replace(FIT, os_version="12", memory_mb=1, disk_free_mb=1, unresolved=["x"])
    assert len(problems(bad, LIMITS)) == 4


@pytest.mark.parametrize(
    ("clock", "words"),
    [
        (Clock(0.9), None),
        (Clock(-0.9), None),
        (Clock(3.0, 2.5), None),
        (Clock(3.0, 0.5), "3.0 s ahead of"),
        (Clock(-3.0, 0.5), "3.0 s behind"),
    ],
)
def test_a_skew_is_reported_only_when_certain(clock: Clock, words: str | None) -> None:
    problem = clock_problem(clock, limit=1.0)
    assert problem is None if words is None else words in (problem or "")


def test_clock_of_takes_the_middle() -> None:
    assert clock_of(10.0, 12.0, 13.0) == Clock(offset=2.0, uncertainty=1.0)


@pytest.mark.parametrize(
    ("environments", "client", "port"),
    [
        ([{"SSH_CONNECTION": "192.0.2.9 50000 192.0.2.11 22"}], "192.0.2.9", 22),
        # sudo clears it; the process above sudo has it. The nearest counts, for ssh can go through ssh.
        (
            [{}, {"SSH_CONNECTION": "192.0.2.9 5 192.0.2.11 2222"}, {"SSH_CONNECTION": "192.0.2.7 5 192.0.2.9 22"}],
            "192.0.2.9",
            2222,
        ),
        ([{"SSH_CONNECTION": "::ffff:192.0.2.9 5 ::ffff:192.0.2.11 22"}], "192.0.2.9", 22),
        ([{"SSH_CONNECTION": "2001:db8::9 5 2001:db8::11 22"}], "2001:db8::9", 22),
        ([{"SSH_CONNECTION": "odd"}, {}], "", 0),
        ([], "", 0),
    ],
)
def test_where_ansible_comes_from(environments: list[dict[str, str]], client: str, port: int) -> None:
    assert ssh_connection(environments) == {"ssh_client": client, "ssh_port": port}


SHOWN = """[
  {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
  {"ifname": "eth0", "addr_info": [
    {"family": "inet", "local": "192.0.2.11", "prefixlen": 24},
    {"family": "inet", "local": "192.0.2.20", "prefixlen": 32},
    {"family": "inet6", "local": "2001:db8::11", "prefixlen": 64}
  ]},
  {"ifname": "tun0"}
]"""


@pytest.mark.parametrize(
    ("address", "shown", "interface", "network"),
    [
        ("192.0.2.11", SHOWN, "eth0", "192.0.2.11/24"),
        ("2001:db8::11", SHOWN, "eth0", "2001:db8::11/64"),
        # Behind a translation of addresses.
        ("203.0.113.5", SHOWN, "", ""),
        ("", SHOWN, "", ""),
        ("192.0.2.11", "", "", ""),
    ],
)
def test_interface_of_an_address(address: str, shown: str, interface: str, network: str) -> None:
    assert interface_of(address, shown) == {"interface": interface, "network": network}
