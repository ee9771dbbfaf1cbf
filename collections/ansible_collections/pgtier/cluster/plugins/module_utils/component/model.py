# SPDX-License-Identifier: Apache-2.0
"""What a component shall be, what it is, and the changes in between. Plain values: no I/O here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.component.spec import unit_name


class ComponentError(Exception):
    """Something the user has to see to: what is wrong, where, and what to do."""


# ---- desired


@dataclass(frozen=True)
class Directory:
    path: str
    owner: str
    group: str
    mode: int


@dataclass(frozen=True)
class File:
    path: str
    content: bytes = field(repr=False)
    owner: str = "root"
    group: str = "root"
    mode: int = 0o644
    secret: bool = False
    before_packages: bool = False
    validate: tuple[str, ...] = ()
    on_change: str = "restart"
    units: tuple[str, ...] | None = None
    apply: tuple[str, ...] = ()
    apply_optional_in_container: bool = False


@dataclass(frozen=True)
class Unit:
    name: str
    enabled: bool = True
    started: bool = True


@dataclass(frozen=True)
class Obsolete:
    units: str
    paths: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ready:
    command: tuple[str, ...]
    timeout: int


@dataclass(frozen=True)
class Desired:
    name: str
    action: str = "converge"
    packages: tuple[str, ...] = ()
    directories: tuple[Directory, ...] = ()
    files: tuple[File, ...] = ()
    units: tuple[Unit, ...] = ()
    obsolete: Obsolete | None = None
    absent_files: tuple[str, ...] = ()
    ready: Ready | None = None
    defer: bool = False


def desired_from(arguments: Mapping[str, Any]) -> Desired:
    """The checked arguments of the module, as values."""
    obsolete, ready = arguments["obsolete"], arguments["ready"]
    return Desired(
        name=arguments["name"],
        action=arguments["action"],
        packages=tuple(arguments["packages"]),
        directories=tuple(
            Directory(item["path"], item["owner"], item["group"], int(item["mode"], 8))
            for item in sorted(arguments["directories"], key=lambda item: str(item["path"]))
        ),
        files=tuple(_file(item, arguments["contents"]) for item in arguments["files"]),
        units=tuple(
            Unit(unit_name(item["name"]), item["enabled"], item["state"] == "started") for item in arguments["units"]
        ),
        obsolete=Obsolete(obsolete["units"], tuple(obsolete["paths"])) if obsolete else None,
        absent_files=tuple(arguments["absent_files"]),
        ready=Ready(tuple(ready["command"]), ready["timeout"]) if ready else None,
        defer=arguments["restart"] == "defer",
    )


def _file(item: Mapping[str, Any], contents: Mapping[str, str]) -> File:
    return File(
        path=item["dest"],
        content=base64.b64decode(contents[item["dest"]]),
        owner=item["owner"],
        group=item["group"],
        mode=int(item["mode"] or ("0600" if item["secret"] else "0644"), 8),
        secret=item["secret"],
        before_packages=item["before_packages"],
        validate=tuple(item["validate"]),
        on_change=item["on_change"],
        units=None if item["units"] is None else tuple(unit_name(name) for name in item["units"]),
        apply=tuple(item["apply"]),
        apply_optional_in_container=item["apply_optional_in_container"],
    )


# ---- observed


@dataclass(frozen=True)
class PathState:
    """What is at a path. `content` is read for regular files that the component writes."""

    kind: str = "absent"  # absent, file, directory, link, other
    owner: str = ""
    group: str = ""
    mode: int = 0
    content: bytes = field(default=b"", repr=False)


ABSENT = PathState()


@dataclass(frozen=True)
class UnitState:
    """Of `systemctl show`. An unknown unit is one that systemd has not found: on a bare host, say."""

    load: str = "not-found"
    active: str = "inactive"
    sub: str = "dead"
    file_state: str = ""
    can_reload: bool = True
    need_daemon_reload: bool = False
    invocation: str = ""
    restarts: int = 0


UNKNOWN_UNIT = UnitState()


@dataclass(frozen=True)
class Due:
    """A unit's work that is not done yet. A restart that was put off remembers the invocation it is about: once the
    unit runs as another one (someone restarted it, the host rebooted) there is nothing left to do."""

    verb: str  # start, reload, restart
    reasons: tuple[str, ...]
    invocation: str = ""


@dataclass(frozen=True)
class Journal:
    """Work left by an earlier run: units, and files whose `apply` command has not succeeded."""

    units: Mapping[str, Due] = field(default_factory=dict)
    apply: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Observed:
    installed: frozenset[str] = frozenset()
    paths: Mapping[str, PathState] = field(default_factory=dict)
    units: Mapping[str, UnitState] = field(default_factory=dict)
    obsolete_units: tuple[str, ...] = ()
    obsolete_paths: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    unknown_accounts: frozenset[str] = frozenset()
    journal: Journal = field(default_factory=Journal)


# ---- changes


@dataclass(frozen=True)
class DirectoryChange:
    directory: Directory
    before: PathState


@dataclass(frozen=True)
class FileChange:
    file: File
    before: PathState

    @property
    def content_differs(self) -> bool:
        return self.before.kind != "file" or self.before.content != self.file.content


@dataclass(frozen=True)
class UnitChange:
    """`enable` and `start` are None where nothing is to be done; a pending restart is one that is put off."""

    unit: str
    before: UnitState
    enable: bool | None = None
    verb: str = ""  # start, stop, reload, restart, pending, verify
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changes:
    packages: tuple[str, ...] = ()
    directories: tuple[DirectoryChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    removed: tuple[str, ...] = ()
    leftovers: tuple[str, ...] = ()
    obsolete_units: tuple[str, ...] = ()
    daemon_reload: bool = False
    units: tuple[UnitChange, ...] = ()
    apply: tuple[File, ...] = ()

    def units_to(self, *verbs: str) -> list[UnitChange]:
        return [change for change in self.units if change.verb in verbs]

    @property
    def changed(self) -> bool:
        """A restart that is still put off, or a start that is only looked at again, changes nothing."""
        return bool(
            self.packages
            or self.directories
            or self.files
            or self.removed
            or self.leftovers
            or self.obsolete_units
            or self.daemon_reload
            or self.apply
            or any(
                change.enable is not None or change.verb in ("start", "stop", "reload", "restart")
                for change in self.units
            )
        )
