# SPDX-License-Identifier: Apache-2.0
"""The arguments of `component`. The action plugin and the module share them, so both refuse the same things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Arguments = Mapping[str, Any]

DIRECTORY_OPTIONS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "raw", "default": "0755"},
}
FILE_OPTIONS: dict[str, Any] = {
    "dest": {"type": "path", "required": True, "aliases": ["path"]},
    "template": {"type": "path"},
    "content": {"type": "str"},
    "source": {"type": "path"},
    "variables": {"type": "dict", "default": {}},
    "trim_blocks": {"type": "bool", "default": True},
    "lstrip_blocks": {"type": "bool", "default": False},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "raw"},
    "secret": {"type": "bool", "default": False, "no_log": False},
    "before_packages": {"type": "bool", "default": False},
    "validate": {"type": "list", "elements": "str", "default": []},
    "on_change": {"type": "str", "choices": ["restart", "reload", "none"], "default": "restart"},
    "units": {"type": "list", "elements": "str"},
    "apply": {"type": "list", "elements": "str", "default": []},
    "apply_optional_in_container": {"type": "bool", "default": False},
}
UNIT_OPTIONS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "enabled": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
}
OBSOLETE_OPTIONS: dict[str, Any] = {
    "units": {"type": "str", "required": True},
    "paths": {"type": "list", "elements": "str", "default": []},
}
READY_OPTIONS: dict[str, Any] = {
    "command": {"type": "list", "elements": "str", "required": True},
    "timeout": {"type": "int", "default": 30},
}
ARGUMENT_SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "action": {"type": "str", "choices": ["converge", "restart_pending"], "default": "converge"},
    "packages": {"type": "list", "elements": "str", "default": []},
    "directories": {"type": "list", "elements": "dict", "options": DIRECTORY_OPTIONS, "default": []},
    "files": {"type": "list", "elements": "dict", "options": FILE_OPTIONS, "default": []},
    "units": {"type": "list", "elements": "dict", "options": UNIT_OPTIONS, "default": []},
    "obsolete": {"type": "dict", "options": OBSOLETE_OPTIONS},
    "absent_files": {"type": "list", "elements": "str", "default": []},
    "ready": {"type": "dict", "options": READY_OPTIONS},
    "restart": {"type": "str", "choices": ["now", "defer"], "default": "now"},
    # Set by the action plugin: path -> final content in base64. Encoded, so that masking these values in what the
    # module returns cannot hit anything else: a secret file that holds "1" would mask every 1 of the result.
    "contents": {"type": "dict", "default": {}, "no_log": True},
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_MODE = re.compile(r"0[0-7]{3}|[0-7]{4}")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")
_SUFFIX = re.compile(r"\.(service|socket|target|timer|mount|path|slice)$")


def unit_name(name: str) -> str:
    """The full name of a unit: systemd takes a bare name for a service."""
    return name if _SUFFIX.search(name) else f"{name}.service"


def check_arguments(arguments: Arguments) -> list[str]:
    """Everything wrong that types and choices do not catch, each with its place and its remedy."""
    return [
        *_check_names(arguments),
        *_check_directories(arguments["directories"]),
        *_check_files(arguments["files"], {unit_name(unit["name"]) for unit in arguments["units"]}),
        *_check_duplicates("packages", arguments["packages"]),
        *_check_duplicates("units", [unit_name(unit["name"]) for unit in arguments["units"]]),
        *_check_removals(arguments),
        *_check_ready(arguments["ready"]),
    ]


def _check_names(arguments: Arguments) -> Iterable[str]:
    if not _NAME.fullmatch(arguments["name"]):
        yield f"name: {arguments['name']!r} is also a file name: use letters, digits, '-', '_' and '.'"
    for package in arguments["packages"]:
        if not _PACKAGE.fullmatch(package):
            yield f"packages: {package!r} is not a package name: give the plain name, without version or architecture"
    for unit in arguments["units"]:
        if not _UNIT.fullmatch(unit["name"]):
            yield f"units: {unit['name']!r} is not a unit name"
        elif unit_name(unit["name"]).partition("@")[2].startswith("."):
            yield f"units: {unit['name']!r} is a template: name an instance of it"


def _check_directories(directories: Iterable[Arguments]) -> Iterable[str]:
    directories = list(directories)
    for directory in directories:
        where = f"directories: {directory['path']}"
        yield from _check_path(where, directory["path"])
        yield from _check_mode(where, directory["mode"])
    yield from _check_duplicates("directories", [directory["path"] for directory in directories])


def _check_files(files: Iterable[Arguments], units: set[str]) -> Iterable[str]:
    files = list(files)
    for file in files:
        where = f"files: {file['dest']}"
        yield from _check_path(where, file["dest"])
        given = [key for key in ("template", "content", "source") if file[key] is not None]
        if len(given) != 1:
            yield f"{where}: has {' and '.join(given) or 'no content'}: give one of template, content and source"
        if file["variables"] and "template" not in given:
            yield f"{where}: variables are for a template"
        if file["mode"] is not None:
            problems = list(_check_mode(where, file["mode"]))
            yield from problems
            if not problems and file["secret"] and int(file["mode"], 8) & 0o007:
                yield f"{where}: is secret, yet mode {file['mode']} opens it to everyone: use 0600 or 0640"
        if file["validate"] and not any("%s" in word for word in file["validate"]):
            yield f"{where}: validate has no %s, where the staged file's path goes, so it would check something else"
        for unit in file["units"] or []:
            if unit_name(unit) not in units:
                yield f"{where}: concerns unit {unit}, which is not among this component's units"
        if file["apply_optional_in_container"] and not file["apply"]:
            yield f"{where}: apply_optional_in_container says nothing without apply"
    yield from _check_duplicates("files", [file["dest"] for file in files])


def _check_removals(arguments: Arguments) -> Iterable[str]:
    wanted = {file["dest"] for file in arguments["files"]} | {item["path"] for item in arguments["directories"]}
    for path in arguments["absent_files"]:
        yield from _check_path(f"absent_files: {path}", path)
        if path in wanted:
            yield f"absent_files: {path} is also to be there: take it out of one of the two"
    obsolete = arguments["obsolete"]
    if obsolete:
        units = obsolete["units"]
        if ("@" not in units and set("*?[") & set(units)) or units.startswith(("@", "*")):
            yield f"obsolete: {units!r} must name a unit or a template's instances, such as pgbouncer@*.service"
        for pattern in obsolete["paths"]:
            yield from _check_path(f"obsolete: {pattern}", pattern)


def _check_ready(ready: Arguments | None) -> Iterable[str]:
    if ready and not ready["command"]:
        yield "ready: the command is empty"
    if ready and ready["timeout"] < 1:
        yield f"ready: timeout {ready['timeout']} must be at least 1 second"


def _check_path(where: str, path: str) -> Iterable[str]:
    if not path.startswith("/") or ".." in path.split("/") or path.endswith("/"):
        yield f"{where}: must be an absolute path without '..' and without a slash at its end"


def _check_mode(where: str, mode: object) -> Iterable[str]:
    if not isinstance(mode, str):
        yield f"{where}: mode {mode!r} is a number, which YAML may have read as octal: write it as a string, '0640'"
    elif not _MODE.fullmatch(mode):
        yield f"{where}: mode {mode!r} must be four octal digits, such as '0640'"


def _check_duplicates(where: str, values: list[str]) -> Iterable[str]:
    for value in sorted({value for value in values if values.count(value) > 1}):
        yield f"{where}: {value} is listed {values.count(value)} times"
