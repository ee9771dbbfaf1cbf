# SPDX-License-Identifier: Apache-2.0
"""The module's result, from the changes alone: check mode and a real run say the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    Changes,
    DirectoryChange,
    FileChange,
    PathState,
    UnitChange,
)


def merge(before: Changes, after: Changes) -> Changes:
    """One account of a run that planned twice, because it installed packages in between. What the second plan no
    longer finds - files put in place early, a unit that its package enabled - was a change all the same."""
    first = {change.unit: change for change in before.units}
    later = {change.unit: change for change in after.units}
    units = []
    for name in dict.fromkeys((*first, *later)):
        one, other = first.get(name), later.get(name)
        if one is None or other is None:
            units += [change for change in (one, other) if change is not None]
        else:
            enable = one.enable if one.enable is not None else other.enable
            units.append(UnitChange(name, one.before, enable, other.verb or one.verb, other.reasons or one.reasons))
    return Changes(
        packages=before.packages,
        directories=_union(before.directories, after.directories, lambda change: change.directory.path),
        files=_union(before.files, after.files, lambda change: change.file.path),
        removed=tuple(dict.fromkeys((*before.removed, *after.removed))),
        leftovers=before.leftovers,
        obsolete_units=tuple(dict.fromkeys((*before.obsolete_units, *after.obsolete_units))),
        daemon_reload=before.daemon_reload or after.daemon_reload,
        units=tuple(units),
        apply=_union(before.apply, after.apply, lambda file: file.path),
    )


def _union(one: Iterable[Any], other: Iterable[Any], key: Any) -> tuple[Any, ...]:
    return tuple({**{key(item): item for item in other}, **{key(item): item for item in one}}.values())


def result_of(changes: Changes, skipped_checks: list[str], notes: list[str]) -> dict[str, Any]:
    return {
        "changed": changes.changed,
        "packages_installed": list(changes.packages),
        "directories_changed": [change.directory.path for change in changes.directories],
        "files_changed": [change.file.path for change in changes.files],
        "files_removed": [*changes.removed, *changes.leftovers],
        "commands_applied": [file.path for file in changes.apply],
        "daemon_reloaded": changes.daemon_reload,
        "units_enabled": [change.unit for change in changes.units if change.enable is True],
        "units_disabled": [change.unit for change in changes.units if change.enable is False],
        "units_retired": list(changes.obsolete_units),
        "units_stopped": _with_reasons(changes.units_to("stop")),
        "units_started": _with_reasons(changes.units_to("start")),
        "reloaded": _with_reasons(changes.units_to("reload")),
        "restarted": _with_reasons(changes.units_to("restart")),
        "restart_pending": _with_reasons(changes.units_to("pending")),
        "skipped_checks": skipped_checks,
        "notes": notes,
    }


def _with_reasons(changes: Iterable[UnitChange]) -> list[dict[str, Any]]:
    return [{"unit": change.unit, "reasons": list(change.reasons)} for change in changes]


# ---- diff


def diff_of(changes: Changes) -> list[dict[str, str]]:
    return [
        *([_entry("packages", "", "".join(f"{name}\n" for name in changes.packages))] if changes.packages else []),
        *(_directory_diff(change) for change in changes.directories),
        *(entry for change in changes.files for entry in _file_diff(change)),
        *(_entry(path, "there\n", "removed\n") for path in (*changes.removed, *changes.leftovers)),
        *(_entry(unit, "active or enabled\n", "stopped, disabled\n") for unit in changes.obsolete_units),
        *(_unit_diff(change) for change in changes.units if change.verb != "verify"),
    ]


def _entry(header: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": header, "after_header": header, "before": before, "after": after}


def _directory_diff(change: DirectoryChange) -> dict[str, str]:
    wanted = change.directory
    return _entry(
        wanted.path, _attributes(change.before), f"directory {wanted.mode:04o} {wanted.owner}:{wanted.group}\n"
    )


def _file_diff(change: FileChange) -> Iterable[dict[str, str]]:
    file, before = change.file, change.before
    after_attributes = f"file {file.mode:04o} {file.owner}:{file.group}\n"
    if _attributes(before) != after_attributes:
        yield _entry(f"{file.path} (attributes)", _attributes(before), after_attributes)
    if not change.content_differs:
        return
    if file.secret:
        yield _entry(file.path, "", "(secret content differs)\n")
        return
    try:
        yield _entry(file.path, before.content.decode(), file.content.decode())
    except UnicodeDecodeError:
        yield _entry(file.path, "", "(binary content differs)\n")


def _attributes(state: PathState) -> str:
    return "" if state.kind == "absent" else f"{state.kind} {state.mode:04o} {state.owner}:{state.group}\n"


def _unit_diff(change: UnitChange) -> dict[str, str]:
    before = f"{change.before.active}, {change.before.file_state or 'not enabled'}\n"
    boot = {True: "enabled", False: "disabled", None: change.before.file_state or "not enabled"}[change.enable]
    reasons = f" ({'; '.join(change.reasons)})" if change.reasons else ""
    what = {
        "": change.before.active,
        "start": "active: started",
        "stop": "inactive: stopped",
        "reload": "active: reloaded",
        "restart": "active: restarted",
        "pending": f"{change.before.active}: to be restarted later",
    }[change.verb]
    return _entry(change.unit, before, f"{what}{reasons}, {boot}\n")
