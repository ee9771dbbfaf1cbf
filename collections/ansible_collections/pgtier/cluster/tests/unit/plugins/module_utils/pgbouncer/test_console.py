from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import Database, State
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import (
    Found,
    Instance,
    choose,
    instance_name,
    parse_state,
    server_connections,
    sockets,
    typed,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql


def instance(name: str, port: int) -> Instance:
    return Instance(name, port, Psql(f"/run/pgbouncer/{name}", port, "pgbouncer"))


PRIMARY, REPLICA = instance("primary", 6432), instance("replica", 6442)
BOTH = Found([PRIMARY, REPLICA], [])


@pytest.mark.parametrize(
    ("conffile", "name"),
    [
        ("/etc/pgbouncer/endpoints/primary.ini", "primary"),
        ("/etc/pgbouncer/primary_session.ini", "primary_session"),
        ("/etc/pgbouncer/primary/pgbouncer.ini", "primary"),
        ("/etc/pgbouncer/pgbouncer.ini", "pgbouncer"),
    ],
)
def test_instance_name(conffile: str, name: str) -> None:
    assert instance_name(conffile) == name


def test_sockets() -> None:
    names = ["b/.s.PGSQL.6442", "a/.s.PGSQL.6432", "a/.s.PGSQL.6432.lock", "a/.s.PGSQL.x", "c/.s.PGSQL.543"]
    assert sockets(PurePosixPath("/run") / name for name in names) == [
        ("/run/c", 543),
        ("/run/a", 6432),
        ("/run/b", 6442),
    ]


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        ([], [PRIMARY, REPLICA]),
        (["replica"], [REPLICA]),
        (["6432"], [PRIMARY]),
        (["replica", "primary", "6442"], [REPLICA, PRIMARY]),
    ],
)
def test_choose(names: list[str], chosen: list[Instance]) -> None:
    assert choose(BOTH, names, "/run/pgbouncer") == chosen


@pytest.mark.parametrize(
    ("found", "names", "message"),
    [
        (BOTH, ["x"], r"no PgBouncer instance x runs here; running: primary \(port 6432\), replica \(port 6442\)$"),
        (Found([], []), ["x"], "running: none"),
        (Found([], []), [], "no PgBouncer has a socket in /run/pgbouncer"),
        (Found([PRIMARY], ["6442: refused"]), [], "^6442: refused$"),  # all means all
        (Found([PRIMARY], ["6442: refused"]), ["replica"], "running: primary .*; 6442: refused$"),
    ],
)
def test_choose_refuses(found: Found, names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choose(found, names, "/run/pgbouncer")


def test_a_dead_neighbour_does_not_matter_to_what_was_named() -> None:
    assert choose(Found([PRIMARY], ["6442: refused"]), ["primary"], "/run") == [PRIMARY]


def test_typed() -> None:
    assert typed([{"database": "2024", "sv_idle": "3", "force_user": "", "pool_mode": "session"}]) == [
        {"database": "2024", "sv_idle": 3, "force_user": None, "pool_mode": "session"}
    ]
    config = [{"key": "listen_port", "value": "6432", "default": "6432", "changeable": "no"}]
    assert typed(config) == {"listen_port": "6432"}
    assert typed([]) == []


def test_parse_state() -> None:
    databases = [
        {"name": "app", "paused": 1, "disabled": 0},
        {"name": "b", "paused": 0, "disabled": 1},
        {"name": "pgbouncer", "paused": 0, "disabled": 0},  # the console: not one to pause
    ]
    assert parse_state({"active": "no", "paused": "yes", "suspended": "no"}, databases) == State(
        True, False, {"app": Database(paused=True), "b": Database(disabled=True)}
    )


@pytest.mark.parametrize(("databases", "count"), [([], 6), (["app"], 3), (["b"], 3), (["c"], 0)])
def test_server_connections(databases: list[str], count: int) -> None:
    pools = [
        {"database": "app", "cl_active": 9, "sv_active": 1, "sv_idle": 0, "maxwait": 7},
        {"database": "app", "cl_active": 9, "sv_active": 0, "sv_idle": 2, "maxwait": 7},
        {"database": "b", "cl_active": 0, "sv_active": 0, "sv_login": 3, "maxwait": 0},
        {"database": "pgbouncer", "cl_active": 1, "sv_active": 5, "maxwait": 0},
    ]
    assert server_connections(pools, databases) == count
