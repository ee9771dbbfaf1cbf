from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import (
    ACTIONS,
    Action,
    Database,
    State,
    changes,
    plan_commands,
    state_after,
    undo_pause,
)

RUNS = State(False, False, {"app": Database(), "b c": Database()})
PAUSED = State(True, False, {"app": Database(), "b c": Database()})
APP_PAUSED = State(False, False, {"app": Database(paused=True), "b c": Database()})
BOTH_PAUSED = State(True, False, {"app": Database(paused=True), "b c": Database()})
SUSPENDED = State(False, True, {"app": Database(), "b c": Database()})
APP_DISABLED = State(False, False, {"app": Database(disabled=True), "b c": Database()})

PLANS: list[tuple[Action, list[str], State, list[str]]] = [
    ("pause", [], RUNS, ["PAUSE"]),
    ("pause", [], PAUSED, []),
    ("pause", [], APP_PAUSED, ["PAUSE"]),
    ("pause", ["app"], RUNS, ['PAUSE "app"']),
    ("pause", ["app", "b c"], APP_PAUSED, ['PAUSE "b c"']),
    ("pause", ["app"], PAUSED, []),  # the whole is paused, and PgBouncer refuses more
    ("resume", [], RUNS, []),
    ("resume", [], PAUSED, ["RESUME"]),
    ("resume", [], SUSPENDED, ["RESUME"]),
    ("resume", [], APP_PAUSED, ['RESUME "app"']),
    ("resume", [], BOTH_PAUSED, ["RESUME", 'RESUME "app"']),
    ("resume", ["app"], BOTH_PAUSED, ['RESUME "app"']),
    ("resume", ["app"], RUNS, []),
    ("reload", [], RUNS, ["RELOAD"]),
    ("reload", [], PAUSED, ["RELOAD"]),
    ("reconnect", [], RUNS, ["RECONNECT"]),
    ("reconnect", ["app", "b c"], RUNS, ['RECONNECT "app"', 'RECONNECT "b c"']),
    ("kill", ["app"], RUNS, ['KILL "app"']),
    ("kill", ["app"], APP_PAUSED, ['KILL "app"']),
    ("disable", ["app"], RUNS, ['DISABLE "app"']),
    ("disable", ["app"], APP_DISABLED, []),
    ("enable", ["app", "b c"], APP_DISABLED, ['ENABLE "app"']),
    ("wait_close", [], RUNS, ["WAIT_CLOSE"]),
    ("wait_close", ["app"], RUNS, ['WAIT_CLOSE "app"']),
]
REFUSED: list[tuple[Action, list[str], State, str]] = [
    ("kill", [], RUNS, "kill needs `databases`"),
    ("enable", [], RUNS, "enable needs `databases`"),
    ("disable", [], RUNS, "disable needs `databases`"),
    ("reload", ["app"], RUNS, "reload takes no `databases`"),
    ("pause", ["app", "x", "y"], RUNS, r"no such database: x, y \(it serves app, b c\)"),
    ("pause", ["x"], State(False, False, {}), r"it serves none"),
    ("pause", [], SUSPENDED, "suspended"),
    ("kill", ["app"], SUSPENDED, "suspended"),
    ("kill", ["app"], PAUSED, "it is paused, and refuses KILL"),
]


@pytest.mark.parametrize(("action", "databases", "state", "commands"), PLANS)
def test_plan(action: Action, databases: list[str], state: State, commands: list[str]) -> None:
    assert plan_commands(action, databases, state) == commands


@pytest.mark.parametrize(("action", "databases", "state", "message"), REFUSED)
def test_refused(action: Action, databases: list[str], state: State, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_commands(action, databases, state)


@pytest.mark.parametrize(
    ("action", "databases"),
    [
        *((action, names) for action in ("pause", "resume") for names in ([], ["app"], ["app", "b c"])),
        *((action, names) for action in ("enable", "disable") for names in (["app"], ["app", "b c"])),
    ],
)
@pytest.mark.parametrize("state", [RUNS, PAUSED, APP_PAUSED, BOTH_PAUSED, APP_DISABLED])
def test_a_second_time_is_no_change(action: Action, databases: list[str], state: State) -> None:
    after = state_after(action, databases, plan_commands(action, databases, state), state)
    assert plan_commands(action, databases, after) == []


@pytest.mark.parametrize("databases", [[], ["app"], ["app", "b c"]])
def test_undo_restores_what_was_before(databases: list[str]) -> None:
    """All that a pause sent is taken back, and nothing that was paused before."""
    commands = plan_commands("pause", databases, APP_PAUSED)
    after = state_after("pause", databases, commands, APP_PAUSED)
    undo = undo_pause(commands)
    assert set(undo) <= set(plan_commands("resume", [], after))
    assert 'RESUME "app"' not in undo


def test_state_after() -> None:
    assert state_after("pause", [], ["PAUSE"], RUNS) == PAUSED
    assert state_after("pause", ["app"], ['PAUSE "app"'], RUNS) == APP_PAUSED
    assert state_after("resume", [], ["RESUME", 'RESUME "app"'], BOTH_PAUSED) == RUNS
    assert state_after("resume", [], ["RESUME"], SUSPENDED) == RUNS
    assert state_after("disable", ["app"], ['DISABLE "app"'], RUNS) == APP_DISABLED
    assert state_after("kill", ["app"], ['KILL "app"'], RUNS) == APP_PAUSED
    assert state_after("reload", [], ["RELOAD"], RUNS) == RUNS


def test_what_is_a_change() -> None:
    assert [action for action in ACTIONS if not changes(action, ["X"])] == ["wait_close"]
    assert not any(changes(action, []) for action in ACTIONS)
