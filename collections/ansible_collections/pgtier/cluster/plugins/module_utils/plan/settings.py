"""From variables as written to typed values. A bad value becomes a mistake, and its default takes its place.

That way every later check sees well-formed values, and one typing error is not reported twice.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .inventory import GROUPS, Inventory, Unreadable
from .mistakes import Mistake, show
from .option import Option
from .options import OPTIONS, PREFIXES

_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_KINDS = {
    "str": "text",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping of names to values",
}


@dataclass(frozen=True)
class Settings:
    """Values of all options: those of the cluster, and those of each host."""

    cluster: Mapping[str, Any]
    hosts: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, name: str) -> Any:
        return self.cluster[name]

    def of(self, host: str, name: str) -> Any:
        return self.hosts[host][name]


class _Reader:
    """Reads one variable and gathers what is wrong with it."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.mistakes: list[Mistake] = []

    def wrong(self, path: str, value: Any, problem: str, remedy: str) -> None:
        self.mistakes.append(Mistake(self.where, path, show(value), problem, remedy))

    def read(self, option: Option, value: Any, path: str) -> Any:
        """The value in its type, or the option's default after noting the mistake."""
        default = copy.deepcopy(option.default)
        if isinstance(value, Unreadable):
            self.mistakes.append(
                Mistake(
                    self.where,
                    path,
                    "",
                    value.problem,
                    value.remedy,
                )
            )
            return default
        converted = _convert(option.type, value)
        if converted is None:
            self.wrong(path, value, f"must be {_KINDS[option.type]}", _suggestion(option))
            return default
        if option.type == "list":
            return self._list(option, converted, path)
        if option.type == "dict":
            return self._dict(option.keys, converted, path) if option.keys else converted
        return converted if self._allowed(option, converted, path) else default

    def _allowed(self, option: Option, value: Any, path: str) -> bool:
        if option.choices and value not in option.choices:
            close = difflib.get_close_matches(str(value), [str(choice) for choice in option.choices], 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            self.wrong(path, value, "is not one of the choices", f"{_suggestion(option)}{hint}")
            return False
        if option.type == "str" and (value.strip() != value or not value):
            self.wrong(path, value, "is empty or has blanks around it", "Write the text without them.")
            return False
        low, high = option.minimum, option.maximum
        if option.type == "int" and ((low is not None and value < low) or (high is not None and value > high)):
            self.wrong(path, value, "is out of range", _suggestion(option))
            return False
        return True

    def _list(self, option: Option, values: list[Any], path: str) -> list[Any]:
        element = Option(
            option.name, option.elements or "str", option.description, choices=option.choices, keys=option.keys
        )
        read = [self.read(element, value, f"{path}[{index}]") for index, value in enumerate(values)]
        return [value for value in read if value is not None]

    def _dict(self, keys: tuple[Option, ...], values: dict[Any, Any], path: str) -> dict[str, Any]:
        known = {key.name: key for key in keys}
        for name in values:
            if name not in known:
                self.wrong(f"{path}.{name}", values[name], "is not an option", _did_you_mean(name, known))
        result: dict[str, Any] = {}
        for name, key in known.items():
            if values.get(name) is not None:
                result[name] = self.read(key, values[name], f"{path}.{name}")
            elif key.required:
                self.mistakes.append(
                    Mistake(self.where, f"{path}.{name}", "", "is missing", f"Add it: {key.description}")
                )
            if result.get(name) is None and not (key.keys and key.type == "dict"):
                result[name] = "" if key.required else copy.deepcopy(key.default)
        return result


def _convert(kind: str, value: Any) -> Any:
    """The value in its type, or None. Text for a number is taken, for `-e` and INI inventories give text."""
    if kind == "str":
        return value if isinstance(value, str) else None
    if kind == "int":
        if isinstance(value, str) and value.strip().removeprefix("-").isdecimal() and len(value) <= 20:
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if kind == "bool":
        if isinstance(value, str) and value.lower() in _TRUE + _FALSE:
            return value.lower() in _TRUE
        return value if isinstance(value, bool) else None
    if kind == "list":
        return list(value) if isinstance(value, list | tuple) else None
    return dict(value) if isinstance(value, Mapping) else None


def _suggestion(option: Option) -> str:
    if option.choices:
        return "Use " + _alternatives(str(choice) for choice in option.choices) + "."
    if option.minimum is not None and option.maximum is not None:
        return (
            f"Use a whole number from {option.minimum} to {option.maximum}{' ' + option.unit if option.unit else ''}."
        )
    return f"Use {_KINDS[option.type]}: {option.description}"


def _alternatives(names: Iterable[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _did_you_mean(name: Any, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(str(name), known, 1)
    return f"Did you mean {close[0]}?" if close else f"Options are {', '.join(known)}."


def read_settings(inventory: Inventory) -> tuple[Settings, list[Mistake]]:
    mistakes = list(_unknown(inventory))
    planned = [option for option in OPTIONS.values() if option.planned]
    cluster: dict[str, Any] = {}
    for option in planned:
        if option.scope == "cluster":
            cluster[option.name], found = _cluster_value(inventory, option)
            mistakes += found
    hosts: dict[str, dict[str, Any]] = {}
    for host in inventory.hosts:
        reader = _Reader(f"host {host}")
        hosts[host] = {
            option.name: _or_default(reader, option, inventory.value(host, option.name))
            for option in planned
            if option.scope == "host"
        }
        mistakes += reader.mistakes
    return Settings(cluster, hosts), mistakes


def _or_default(reader: _Reader, option: Option, value: Any) -> Any:
    return copy.deepcopy(option.default) if value is None else reader.read(option, value, option.name)


def _cluster_value(inventory: Inventory, option: Option) -> tuple[Any, list[Mistake]]:
    """The one value of all hosts that have it. Whole groups may go without: a group's file need not be everyone's."""
    written = {host: inventory.value(host, option.name) for host in inventory.hosts}
    written = {host: value for host, value in written.items() if value is not None}
    if not written:
        return copy.deepcopy(option.default), []
    first_host, first = next(iter(written.items()))
    covered = {
        host for group in GROUPS if written.keys() >= {*inventory.members(group)} for host in inventory.members(group)
    }
    problems = {
        host: f"differs from {show(first)} on host {first_host}"
        if value != first
        else "is not set on the other hosts of its groups"
        for host, value in written.items()
        if value != first or host not in covered
    }
    if problems:
        return copy.deepcopy(option.default), [
            Mistake(
                f"host {host}",
                option.name,
                show(written[host]),
                f"{problem}, but it holds for the whole cluster",
                "Set it once, in group_vars/all.",
            )
            for host, problem in problems.items()
        ]
    reader = _Reader("cluster")
    return reader.read(option, first, option.name), reader.mistakes


def _unknown(inventory: Inventory) -> Iterable[Mistake]:
    found: dict[str, str] = {}
    for host in inventory.hosts:
        for name in inventory.variables.get(host, {}):
            if isinstance(name, str) and name.startswith(PREFIXES) and name not in OPTIONS:
                found.setdefault(name, host)
    for name, host in found.items():
        close = difflib.get_close_matches(name, OPTIONS, 1)
        yield Mistake(
            f"host {host}",
            name,
            show(inventory.value(host, name)),
            "is not a variable of pgtier",
            f"Did you mean {close[0]}?" if close else "See the table of variables in docs/variables.md.",
        )
