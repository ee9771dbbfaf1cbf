from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import drain
from ansible_collections.pgtier.cluster.plugins.module_utils.haproxy import DRAINED, MAINTENANCE, Server
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.converge import POLL_SECONDS, Deadline


def server(name: str, admin: int = 0, backend: str = "replica", up: bool = True) -> Server:
    return Server(backend, name, f"10.0.0.{name[-1]}", up, admin)


IN_BOTH = [server("pg1"), server("pg1", backend="primary", up=False)]


@pytest.mark.parametrize(
    ("state", "seen", "commands"),
    [
        ("drained", [server("pg1"), server("pg2")], ["set server replica/pg1 state drain"]),
        ("drained", [server("pg1", DRAINED)], []),
        ("drained", [server("pg1", DRAINED), server("pg1", 0, "more")], ["set server more/pg1 state drain"]),
        ("ready", [server("pg1", DRAINED)], ["set server replica/pg1 state ready"]),
        ("ready", [server("pg1", MAINTENANCE)], ["set server replica/pg1 state ready"]),
        ("ready", [server("pg1")], []),
        ("leaving", IN_BOTH, ["set server replica/pg1 state drain", "set server primary/pg1 state drain"]),
        ("leaving", [server("pg1", DRAINED), server("pg1", 0, "more")], ["set server more/pg1 state drain"]),
        ("leaving", [server("pg1", MAINTENANCE)], []),
        ("leaving", [server("pg2")], []),
        ("leaving", [], []),
    ],
)  # fmt: skip
def test_what_haproxy_is_told(state: str, seen: list[Server], commands: list[str]) -> None:
    assert drain.commands(state, drain.plan(state, "pg1", seen)) == commands


@pytest.mark.parametrize("state", ["drained", "ready"])
def test_who_is_to_come_back_has_to_be_there(state: str) -> None:
    with pytest.raises(ValueError, match="no server pg9 for reads; it has pg1"):
        drain.plan(state, "pg9", [server("pg1")])
    with pytest.raises(ValueError, match="it has none"):
        drain.plan(state, "pg9", [])


def test_who_is_to_come_back_is_not_taken_out_of_somebody_elses_hands() -> None:
    with pytest.raises(ValueError, match="put pg1 into maintenance in replica"):
        drain.plan("drained", "pg1", [server("pg1", MAINTENANCE)])


@pytest.mark.parametrize(
    ("state", "own", "before", "after"),
    [
        ("drained", IN_BOTH, {"replica": "ready", "primary": "down"}, {"replica": "drained", "primary": "drained"}),
        ("drained", [server("pg1", DRAINED)], {"replica": "drained"}, {"replica": "drained"}),
        ("ready", [server("pg1", DRAINED)], {"replica": "drained"}, {"replica": "ready"}),
        ("ready", [server("pg1", up=False)], {"replica": "down"}, {"replica": "down"}),
        ("leaving", [server("pg1"), server("pg1", MAINTENANCE, "more")],
         {"replica": "ready", "more": "in maintenance (1)"}, {"replica": "drained", "more": "in maintenance (1)"}),
        ("leaving", [], {}, {}),
    ],
)  # fmt: skip
def test_diff(state: str, own: list[Server], before: dict[str, str], after: dict[str, str]) -> None:
    assert drain.diff(state, own, drain.plan(state, "pg1", own)) == {"before": before, "after": after}


def test_connections_are_told_by_server_and_by_address() -> None:
    stat = [("replica", "pg1", 3), ("primary", "pg1", 1), ("replica", "pg2", 9), ("analytics", "pg1", 5)]
    sessions = [{"pxname": backend, "svname": name, "scur": str(number)} for backend, name, number in stat]
    assert drain.direct(sessions, IN_BOTH) == 4
    assert drain.direct([], IN_BOTH) == 0
    rows = [{"addr": "10.0.0.1"}, {"addr": "10.0.0.2"}, {"addr": "10.0.0.1"}, {"addr": "10.0.0.11"}]
    assert drain.pooled(rows, IN_BOTH) == 2
    assert drain.pooled(rows, []) == 0


@pytest.mark.parametrize(
    ("seconds", "counts", "left", "looks"),
    [
        (60, [{}], {}, 1),
        (60, [{"replica": 2, "more": 1}, {"replica": 1, "more": 0}, {"replica": 0, "more": 0}], {}, 3),
        (0, [{"replica": 2, "more": 0}], {"replica": 2}, 1),
        (POLL_SECONDS, [{"replica": 2}, {"replica": 1}], {"replica": 1}, 2),
    ],
    ids=["nobody", "they leave", "no time", "too slow"],
)
def test_waiting_until_nobody_is_left(
    seconds: float, counts: list[dict[str, int]], left: dict[str, int], looks: int
) -> None:
    passed: list[float] = []
    answers = iter(counts)
    seen = []

    def count() -> dict[str, int]:
        seen.append(next(answers))
        return seen[-1]

    assert drain.await_none(count, Deadline(seconds, lambda: sum(passed), passed.append)) == left
    assert len(seen) == looks


@pytest.mark.parametrize(
    ("database", "state", "rest"),
    [("pgbouncer_lookup", "idle", True), ("pgbouncer_lookup", "new", False), ("app", "new", True)],
)
def test_a_login_that_looks_up_passwords_is_not_disturbed(database: str, state: str, rest: bool) -> None:
    assert drain.lookups_rest([]) is True
    assert drain.lookups_rest([{"database": "app", "state": "active"}, {"database": database, "state": state}]) is rest
