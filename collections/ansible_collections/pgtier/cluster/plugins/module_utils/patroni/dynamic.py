"""Compare Patroni's dynamic configuration with a desired one. Pure.

Patroni stores what it is given, so the same setting comes back as `300`, `"300"`, `true` or `"on"` depending on who
wrote it. Differences of spelling alone are no change. Differences of unit (`1GB`, `1024MB`) are patched: that costs one
harmless PATCH, because Patroni itself compares with the unit of PostgreSQL's own setting before it touches a server.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

Config = dict[str, Any]

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")  # no leading zero: PostgreSQL reads 010 as octal
_TRUE = {"on", "true", "yes", "1"}
_FALSE = {"off", "false", "no", "0"}


def same(left: Any, right: Any) -> bool:
    """Whether two values of a configuration mean the same."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if any(isinstance(value, Mapping | list) or value is None for value in (left, right)):
        return left is right
    if isinstance(left, bool) or isinstance(right, bool):
        # Only beside a real boolean are words read as one: `archive_command: "true"` is a program.
        a, b = str(left).lower(), str(right).lower()
        return {a, b} <= _TRUE or {a, b} <= _FALSE
    a, b = str(left), str(right)
    return a == b or bool(_NUMBER.fullmatch(a) and _NUMBER.fullmatch(b) and Decimal(a) == Decimal(b))


def plan_patch(current: Mapping[str, Any], desired: Mapping[str, Any], exact_paths: Iterable[str] = ()) -> Config:
    """The smallest PATCH that brings `current` to `desired`; empty if nothing is to be done.

    Keys that `desired` does not name are left alone, except below a path of `exact_paths` ("postgresql.parameters"):
    there they are removed. A null in `desired` removes its key. No null is sent for a key that is not there, because
    Patroni would store it where its parent is new; and a null once stored is left, because Patroni does not remove it.
    """
    wanted = copy.deepcopy(dict(desired))
    for path in exact_paths:
        _add_removals(current, wanted, path.split("."))
    return _patch(current, wanted)


def apply_patch(current: Mapping[str, Any], patch: Mapping[str, Any]) -> Config:
    """What Patroni makes of a PATCH: nulls remove, objects merge, anything else replaces."""
    result = copy.deepcopy(dict(current))
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = apply_patch(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def _patch(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> Config:
    patch: Config = {}
    for key, value in wanted.items():
        now = current.get(key)
        if value is None:
            if now is not None:
                patch[key] = None
        elif isinstance(value, Mapping) and isinstance(now, Mapping):
            if below := _patch(now, value):
                patch[key] = below
        elif isinstance(value, Mapping):
            patch[key] = _without_nulls(value)
        elif not same(now, value):
            patch[key] = value
    return patch


def _add_removals(current: Mapping[str, Any], wanted: Config, path: Sequence[str]) -> None:
    """Say in `wanted`, with nulls, that what `current` alone has at and below `path` is to go."""
    key, *rest = path
    now = current.get(key)
    if rest:
        if isinstance(now, Mapping) and isinstance(below := wanted.setdefault(key, {}), dict):
            _add_removals(now, below, rest)
    elif key not in wanted:
        wanted[key] = None
    elif isinstance(now, Mapping) and isinstance(wanted[key], dict):
        wanted[key].update({name: None for name in now if name not in wanted[key]})


def _without_nulls(value: Mapping[str, Any]) -> Config:
    return {k: _without_nulls(v) if isinstance(v, Mapping) else v for k, v in value.items() if v is not None}
