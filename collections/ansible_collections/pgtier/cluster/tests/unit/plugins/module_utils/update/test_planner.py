# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.update import planner

ALL = ("etcd", "haproxy", "pgbouncer", "patroni")
# As apt 3.0 says it: a new version, a new dependency, the same version once more, and lines that say something else.
SIMULATION = """Reading package lists...
Inst postgresql-17 [17.5-0+deb13u1] (17.6-0+deb13u1 Debian:13.1/stable [amd64])
Inst libnew1 (1.0-2 Debian:13.1/stable [amd64])
Inst haproxy [3.0.11-1] (3.0.11-1 Debian:13.1/stable [amd64])
Inst libpq5:amd64 [17.5-0+deb13u1] (17.6-0+deb13u1 Debian:13.1/stable [amd64]) []
Conf postgresql-17 (17.6-0+deb13u1 Debian:13.1/stable [amd64])
"""


def change(package: str, old: str = "1", new: str = "2") -> planner.Change:
    return planner.Change(package=package, old=old, new=new)


def test_what_apt_would_do() -> None:
    assert planner.changes(SIMULATION) == [
        change("postgresql-17", "17.5-0+deb13u1", "17.6-0+deb13u1"),
        change("libnew1", "", "1.0-2"),
        change("haproxy", "3.0.11-1", "3.0.11-1"),
        change("libpq5", "17.5-0+deb13u1", "17.6-0+deb13u1"),
    ]
    assert planner.changes("0 upgraded, 0 newly installed") == []


@pytest.mark.parametrize(
    ("packages", "components", "left", "expected"),
    [
        ([], ALL, [], []),
        (["postgresql-17"], ALL, [], ["patroni"]),
        (["postgresql-17-pgvector"], ALL, [], ["patroni"]),
        (["postgresql-client-17", "libpq5"], ALL, [], []),
        (["patroni", "etcd-server"], ALL, [], ["etcd", "patroni"]),
        # Of services that are not on this host nothing follows: a proxy has PostgreSQL's client alone.
        (["postgresql-17", "haproxy"], ("haproxy", "pgbouncer"), [], ["haproxy"]),
        # What was interrupted is finished, though no package changes any more.
        ([], ALL, ["patroni", "haproxy"], ["haproxy", "patroni"]),
        (["pgbouncer"], ALL, ["pgbouncer"], ["pgbouncer"]),
    ],
)
def test_which_services_follow(
    packages: list[str], components: tuple[str, ...], left: list[str], expected: list[str]
) -> None:
    assert planner.steps([change(name) for name in packages], components, left) == expected


def test_the_way_back_names_what_has_another_version() -> None:
    found = [change("haproxy"), change("new", old=""), change("same", "1", "1"), change("pgbouncer", "1.24.0")]
    assert planner.way_back(found) == "apt-get install --allow-downgrades haproxy=1 pgbouncer=1.24.0"
    assert planner.way_back([change("same", "1", "1")]) == ""


def test_of_each_endpoint_one_process_at_a_time() -> None:
    instances = [{"name": name, "endpoint": name.partition(".")[0]} for name in ("a", "b", "b.2", "b.3", "c", "c.2")]
    assert [[one["name"] for one in wave] for wave in planner.waves(instances)] == [
        ["a", "b", "c"],
        ["b.2", "c.2"],
        ["b.3"],
    ]
    assert planner.waves([]) == []
