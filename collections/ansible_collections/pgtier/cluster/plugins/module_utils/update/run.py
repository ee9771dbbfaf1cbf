# SPDX-License-Identifier: Apache-2.0
"""Bring a host's packages to their newest version, and then its services, one after the other.

What services are due is written down before the packages change, and struck out one by one: after an interruption the
packages are new, and only that note knows which service still runs the old ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.component import packages
from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.journal import path_of
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError
from ansible_collections.pgtier.cluster.plugins.module_utils.update import planner

JOURNAL = path_of("update")


@dataclass(frozen=True)
class Plan:
    changes: list[planner.Change]
    steps: list[str]


def look(host: Host, names: Sequence[str], components: Sequence[str], reinstall: bool) -> Plan:
    packages.refresh(host)
    found = planner.changes(packages.simulate(host, names, reinstall))
    return Plan(found, planner.steps(found, components, _left(host)))


def carry_out(
    host: Host, plan: Plan, names: Sequence[str], reinstall: bool, steps: Mapping[str, Callable[[], Any]]
) -> dict[str, Any]:
    """What each step returned. Raises ComponentError with what to do, and how to go back."""
    done: dict[str, Any] = {}
    try:
        if plan.changes:
            _write(host, plan.steps)
            packages.upgrade(host, names, reinstall)
        for step in plan.steps:
            done[step] = steps[step]()
            _write(host, [one for one in plan.steps if one not in done])
    except ComponentError as error:
        back = planner.way_back(plan.changes)
        raise ComponentError(
            f"{error}\nDone here: {', '.join(done) or 'nothing'}; left: "
            f"{', '.join(one for one in plan.steps if one not in done) or 'nothing'}. To go on, mend it and run again: "
            "what is done is not done again."
            + (f" To go back, on this host: {back}; and then restart what is done or left." if back else "")
        ) from error
    return done


def _left(host: Host) -> list[str]:
    if host.look_at(JOURNAL).kind == "absent":
        return []
    try:
        return [str(step) for step in json.loads(host.path(JOURNAL).read_text())["steps"]]
    except (ValueError, KeyError, TypeError) as error:
        raise ComponentError(
            f"{JOURNAL} is damaged ({error}). It lists services that an earlier update left to be restarted. "
            "Remove it, and run again with update_reinstall=true"
        ) from error


def _write(host: Host, steps: Sequence[str]) -> None:
    if not steps:
        host.path(JOURNAL).unlink(missing_ok=True)
        return
    host.path(JOURNAL).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    host.replace(JOURNAL, json.dumps({"steps": list(steps)}).encode() + b"\n", ("root", "root", 0o600))
