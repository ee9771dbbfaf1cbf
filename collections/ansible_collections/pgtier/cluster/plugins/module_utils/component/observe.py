# SPDX-License-Identifier: Apache-2.0
"""Read what a component is on this host: one dpkg-query, one systemctl show, and a look at each path."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping

from ansible_collections.pgtier.cluster.plugins.module_utils.component import journal
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host, staged_path
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import (
    ComponentError,
    Desired,
    Directory,
    File,
    Observed,
    PathState,
    UnitState,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.component.packages import POLICY, is_our_policy

_PROPERTIES = "Id,Names,LoadState,ActiveState,SubState,UnitFileState,CanReload,NeedDaemonReload,InvocationID,NRestarts"


def observe(host: Host, desired: Desired) -> Observed:
    left = journal.read(host, desired.name)
    if desired.action == "restart_pending":
        return Observed(units=unit_states(host, sorted(left.units)), journal=left)
    obsolete_paths = tuple(_obsolete_paths(host, desired))
    units = {unit.name for unit in desired.units}
    shown = unit_states(host, [*sorted(units), *([desired.obsolete.units] if desired.obsolete else [])])
    return Observed(
        installed=installed_packages(host, desired.packages),
        paths=_paths(host, desired, obsolete_paths),
        units={name: state for name, state in shown.items() if name in units},
        obsolete_units=tuple(_obsolete_units(host, desired, shown)),
        obsolete_paths=obsolete_paths,
        leftovers=tuple(_leftovers(host, desired)),
        unknown_accounts=unknown_accounts(host, desired),
        journal=left,
    )


def installed_packages(host: Host, packages: Iterable[str]) -> frozenset[str]:
    """Those completely installed. One that a killed run left half-configured is not."""
    names = list(packages)
    if not names:
        return frozenset()
    # Its exit code says only that it does not know some of them.
    ran = host.run(["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *names])
    lines = (line.split() for line in ran.output.splitlines())
    return frozenset(words[0] for words in lines if len(words) == 2 and words[1] == "installed")


def unit_states(host: Host, names: list[str]) -> dict[str, UnitState]:
    """State of each unit by each of its names. Patterns among `names` match the units that systemd has loaded."""
    if not names:
        return {}
    ran = host.run(["systemctl", "show", "--no-pager", f"--property={_PROPERTIES}", "--", *names])
    if ran.code != 0:
        raise ComponentError(f"systemctl show failed, so the units' state is not known: {ran.output.strip()}")
    states: dict[str, UnitState] = {}
    for block in ran.output.split("\n\n"):
        values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        state = UnitState(
            load=values.get("LoadState", ""),
            active=values.get("ActiveState", ""),
            sub=values.get("SubState", ""),
            file_state=values.get("UnitFileState", ""),
            can_reload=values.get("CanReload") == "yes",
            need_daemon_reload=values.get("NeedDaemonReload") == "yes",
            invocation=values.get("InvocationID", ""),
            restarts=int(values.get("NRestarts") or 0),
        )
        for name in {values.get("Id", ""), *values.get("Names", "").split()} - {""}:
            states[name] = state
    return states


def unknown_accounts(host: Host, desired: Desired) -> frozenset[str]:
    """Owners and groups that do not exist (yet), as "user NAME" and "group NAME"."""
    items: list[Directory | File] = [*desired.directories, *desired.files]
    return frozenset(
        [f"user {name}" for name in {item.owner for item in items} if host.user_id(name) is None]
        + [f"group {name}" for name in {item.group for item in items} if host.group_id(name) is None]
    )


def _paths(host: Host, desired: Desired, obsolete_paths: Iterable[str]) -> dict[str, PathState]:
    return {
        **{directory.path: host.look_at(directory.path) for directory in desired.directories},
        **{path: host.look_at(path, read=True) for path in (*desired.absent_files, *obsolete_paths)},
        **{file.path: host.look_at(file.path, read=True) for file in desired.files},
    }


def _obsolete_paths(host: Host, desired: Desired) -> Iterable[str]:
    """Files that the patterns find and the component does not list. Directories are never touched."""
    wanted = {file.path for file in desired.files}
    for pattern in desired.obsolete.paths if desired.obsolete else ():
        for found in sorted(host.root.glob(pattern.lstrip("/"))):
            path = "/" + str(found.relative_to(host.root))
            if path not in wanted and not found.name.startswith(".pgtier.") and (found.is_symlink() or found.is_file()):
                yield path


def _obsolete_units(host: Host, desired: Desired, shown: Mapping[str, UnitState]) -> Iterable[str]:
    """Instances that run, or would at the next boot, without being listed."""
    if desired.obsolete is None:
        return
    pattern = re.compile(fnmatch.translate(desired.obsolete.units))
    wants = (link.name for link in host.path("/etc/systemd/system").glob("*.wants/*@*"))
    lively = (name for name, state in shown.items() if state.active != "inactive" or state.file_state == "enabled")
    wanted = {unit.name for unit in desired.units}
    yield from sorted({name for name in (*wants, *lively) if pattern.match(name)} - wanted)


def _leftovers(host: Host, desired: Desired) -> Iterable[str]:
    """What a run that was killed left behind: half-made files, and the policy that keeps services down."""
    for file in desired.files:
        if host.look_at(staged_path(file.path)).kind == "file":
            yield staged_path(file.path)
    if is_our_policy(host):
        yield POLICY
