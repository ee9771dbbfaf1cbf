"""Which console commands bring an instance to what is asked for. Pure.

PgBouncer answers an error to a second PAUSE and to a RESUME of what is not paused, so the state is read first.
Pausing as a whole (`PAUSE`) and pausing a database (`PAUSE db`) are two states that know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import quote_identifier

Action = Literal["pause", "resume", "reload", "reconnect", "kill", "enable", "disable", "wait_close"]
ACTIONS: tuple[Action, ...] = ("pause", "resume", "reload", "reconnect", "kill", "enable", "disable", "wait_close")
NEED_DATABASES: tuple[Action, ...] = ("kill", "enable", "disable")


@dataclass(frozen=True)
class Database:
    paused: bool = False
    disabled: bool = False


@dataclass(frozen=True)
class State:
    """`paused` and `suspended` are those of the whole instance."""

    paused: bool
    suspended: bool
    databases: Mapping[str, Database]


def plan_commands(action: Action, databases: Sequence[str], state: State) -> list[str]:
    """Commands to send, in order; empty if the instance already is as asked.

    Raises ValueError if the action makes no sense on these databases or in this state.
    """
    if action in NEED_DATABASES and not databases:
        raise ValueError(f"{action} needs `databases`: PgBouncer knows it for single databases only")
    if action == "reload" and databases:
        raise ValueError("reload takes no `databases`: PgBouncer reloads its configuration as a whole")
    if unknown := [name for name in databases if name not in state.databases]:
        known = ", ".join(sorted(state.databases)) or "none"
        raise ValueError(f"no such database: {', '.join(unknown)} (it serves {known})")
    if state.suspended and action in ("pause", "kill"):
        raise ValueError(f"it is suspended, and refuses {action} until it is resumed")

    if action == "pause":
        if state.paused:
            return []
        return _each("PAUSE", [name for name in databases if not state.databases[name].paused], whole=not databases)
    if action == "resume":
        names = databases or sorted(state.databases)
        whole = (state.paused or state.suspended) and not databases
        return _each("RESUME", [name for name in names if state.databases[name].paused], whole)
    if action == "enable":
        return _each("ENABLE", [name for name in databases if state.databases[name].disabled])
    if action == "disable":
        return _each("DISABLE", [name for name in databases if not state.databases[name].disabled])
    if action == "kill" and state.paused:
        raise ValueError("it is paused, and refuses KILL until it is resumed")
    return _each(action.upper(), databases, whole=not databases)


def undo_pause(commands: Sequence[str]) -> list[str]:
    """The RESUMEs for these PAUSEs."""
    return ["RESUME" + command.removeprefix("PAUSE") for command in commands if command.startswith("PAUSE")]


def state_after(action: Action, databases: Sequence[str], commands: Sequence[str], state: State) -> State:
    """What the state is once they are sent, for a diff."""
    if not commands or action not in ("pause", "resume", "enable", "disable", "kill"):
        return state
    column = "disabled" if action in ("enable", "disable") else "paused"
    value = action in ("pause", "kill", "disable")
    touched = set(databases or (state.databases if action == "resume" else ()))
    return State(
        paused=value if not databases else state.paused,
        suspended=state.suspended and not (action == "resume" and not databases),
        databases={
            name: replace(database, **{column: value}) if name in touched else database
            for name, database in state.databases.items()
        },
    )


def changes(action: Action, commands: Sequence[str]) -> bool:
    """Whether sending them changes anything. Waiting does not."""
    return bool(commands) and action != "wait_close"


def _each(verb: str, databases: Sequence[str], whole: bool = False) -> list[str]:
    return ([verb] if whole else []) + [f"{verb} {quote_identifier(name)}" for name in databases]
