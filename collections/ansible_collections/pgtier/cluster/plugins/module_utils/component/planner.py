# SPDX-License-Identifier: Apache-2.0
"""Desired and observed state in, changes out. Pure: check mode shows the plan that a real run carries out.

What holds:
- the same states give the same changes; a state that the changes were applied to gives none;
- a unit that is started needs neither a restart nor a reload, and a restart covers a reload;
- what an interrupted run left due is planned again, whatever else is found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    ABSENT,
    UNKNOWN_UNIT,
    Changes,
    ComponentError,
    Desired,
    Directory,
    DirectoryChange,
    Due,
    File,
    FileChange,
    Journal,
    Observed,
    PathState,
    Unit,
    UnitChange,
    UnitState,
)

UNIT_DIRECTORY = "/etc/systemd/system/"
_ENABLED = frozenset({"enabled", "static", "indirect", "generated", "alias", "transient"})
_RANK = {"": 0, "start": 1, "reload": 2, "restart": 3}


def plan_changes(desired: Desired, observed: Observed) -> Changes:
    if desired.action == "restart_pending":
        return _plan_pending(observed)
    directories = tuple(_plan_directories(desired.directories, observed))
    files = tuple(_plan_files(desired.files, observed))
    removed = tuple(_plan_removals(desired, observed))
    changed = {change.file.path for change in files if change.content_differs}
    due = _merge_due(desired, observed, _due_of_files(desired, changed))
    return Changes(
        packages=tuple(name for name in desired.packages if name not in observed.installed),
        directories=directories,
        files=files,
        removed=removed,
        leftovers=observed.leftovers,
        obsolete_units=observed.obsolete_units,
        daemon_reload=any(path.startswith(UNIT_DIRECTORY) for path in (*changed, *removed))
        or any(observed.units.get(unit.name, UNKNOWN_UNIT).need_daemon_reload for unit in desired.units),
        units=tuple(
            change
            for unit in desired.units
            if (change := _plan_unit(unit, observed.units.get(unit.name, UNKNOWN_UNIT), due.get(unit.name), desired))
        ),
        apply=tuple(
            file
            for file in desired.files
            if file.apply and (file.path in changed or file.path in observed.journal.apply)
        ),
    )


def journal_of(desired: Desired, changes: Changes, observed: Observed) -> Journal:
    """What has to be remembered before the first of these changes is made."""
    if desired.action == "restart_pending":
        left = observed.journal
        return dataclasses.replace(
            left,
            units={
                name: due for name, due in left.units.items() if _still_due(due, observed.units.get(name, UNKNOWN_UNIT))
            },
        )
    verbs = {"pending": "restart", "verify": "start"}  # a start that was not confirmed stays due until it is
    return Journal(
        units={
            change.unit: Due(verbs.get(change.verb, change.verb), change.reasons)
            for change in changes.units_to("start", "reload", "restart", "pending", "verify")
        },
        apply=frozenset(file.path for file in changes.apply),
    )


def _plan_pending(observed: Observed) -> Changes:
    changes = []
    for name, due in sorted(observed.journal.units.items()):
        state = observed.units.get(name, UNKNOWN_UNIT)
        if due.verb == "restart" and _still_due(due, state) and _running(state):
            changes.append(UnitChange(name, state, verb="restart", reasons=due.reasons))
    return Changes(units=tuple(changes))


def _plan_directories(directories: Iterable[Directory], observed: Observed) -> Iterable[DirectoryChange]:
    for directory in directories:
        before = observed.paths.get(directory.path, ABSENT)
        if before.kind not in ("absent", "directory"):
            raise ComponentError(
                f"{directory.path} shall be a directory, but a {before.kind} is there: move it away, then run again"
            )
        if _attributes_differ(directory, before):
            yield DirectoryChange(directory, before)


def _plan_files(files: Iterable[File], observed: Observed) -> Iterable[FileChange]:
    for file in files:
        before = observed.paths.get(file.path, ABSENT)
        if before.kind in ("directory", "other"):
            raise ComponentError(
                f"{file.path} shall be a file, but a {before.kind} is there: move it away, then run again"
            )
        change = FileChange(file, before)
        if change.content_differs or _attributes_differ(file, before):
            yield change


def _plan_removals(desired: Desired, observed: Observed) -> Iterable[str]:
    for path in (*desired.absent_files, *observed.obsolete_paths):
        kind = observed.paths.get(path, ABSENT).kind
        if kind in ("file", "link"):
            yield path
        elif kind != "absent" and path in desired.absent_files:
            raise ComponentError(f"absent_files: {path} is a {kind}; only files are removed: see to it yourself")


def _attributes_differ(wanted: Directory | File, before: PathState) -> bool:
    return (
        before.kind not in ("file", "directory")
        or (before.owner, before.group) != (wanted.owner, wanted.group)
        or before.mode != wanted.mode
    )


def _due_of_files(desired: Desired, changed: set[str]) -> dict[str, Due]:
    """What the changed files ask of the units that they concern."""
    due: dict[str, Due] = {}
    for file in desired.files:
        if file.path not in changed or file.on_change == "none":
            continue
        for unit in desired.units:
            if file.units is None or unit.name in file.units:
                due[unit.name] = _stronger(due.get(unit.name), Due(file.on_change, (f"{file.path} changed",)))
    return due


def _merge_due(desired: Desired, observed: Observed, due: dict[str, Due]) -> dict[str, Due]:
    for name, left in observed.journal.units.items():
        if _still_due(left, observed.units.get(name, UNKNOWN_UNIT)):
            due[name] = _stronger(left, due[name]) if name in due else left
    return due


def _still_due(due: Due, state: UnitState) -> bool:
    return not due.invocation or due.invocation == state.invocation


def _stronger(one: Due | None, other: Due) -> Due:
    """Both together: the verb that covers the other, and every reason once."""
    if one is None:
        return other
    verb = one.verb if _RANK[one.verb] >= _RANK[other.verb] else other.verb
    return Due(verb, tuple(dict.fromkeys((*one.reasons, *other.reasons))))


def _plan_unit(unit: Unit, state: UnitState, due: Due | None, desired: Desired) -> UnitChange | None:
    enable = _plan_enable(unit, state)
    verb, reasons = _plan_verb(unit, state, due, desired)
    if enable is None and not verb:
        return None
    return UnitChange(unit.name, state, enable, verb, reasons)


def _plan_enable(unit: Unit, state: UnitState) -> bool | None:
    if unit.enabled:
        if state.file_state.startswith("masked") or state.load == "masked":
            raise ComponentError(
                f"{unit.name} is masked and shall be enabled: run 'systemctl unmask {unit.name}' first"
            )
        return None if state.file_state in _ENABLED else True
    return False if state.file_state.startswith("enabled") else None


def _plan_verb(unit: Unit, state: UnitState, due: Due | None, desired: Desired) -> tuple[str, tuple[str, ...]]:
    if not unit.started:
        return ("stop", ("it shall be stopped",)) if _busy(state) else ("", ())
    if not _running(state):
        return "start", (f"it was {_describe(state)}",)
    if due is None:
        return "", ()
    verb, reasons = due.verb, due.reasons
    if verb == "reload" and not state.can_reload:
        verb, reasons = "restart", (*reasons, "it cannot reload")
    if verb == "restart" and desired.defer:
        return "pending", reasons
    return ("verify" if verb == "start" else verb), reasons


def _running(state: UnitState) -> bool:
    """A unit that systemd brings up again and again (auto-restart) does not run."""
    return state.active in ("active", "reloading", "activating") and not state.sub.startswith("auto-restart")


def _busy(state: UnitState) -> bool:
    return state.active in ("active", "reloading", "activating")


def _describe(state: UnitState) -> str:
    if state.sub.startswith("auto-restart"):
        return "crashing"
    return "not running" if state.active == "inactive" else state.active
