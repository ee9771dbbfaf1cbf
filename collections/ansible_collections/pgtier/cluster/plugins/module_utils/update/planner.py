# SPDX-License-Identifier: Apache-2.0
"""Which packages of a host change, and which of its services have to follow. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatch
from typing import TypedDict

# In the order in which they are seen to on a host. PostgreSQL is Patroni's: it restarts with it.
STEPS: dict[str, tuple[str, ...]] = {
    "etcd": ("etcd-server",),
    "keepalived": ("keepalived",),
    "haproxy": ("haproxy",),
    "pgbouncer": ("pgbouncer",),
    "patroni": ("patroni", "postgresql-[0-9]*", "python3-etcd", "python3-psycopg2"),
}
_INST = re.compile(r"^Inst (?P<name>\S+) (?:\[(?P<old>\S+)\] )?\((?P<new>\S+) ", re.MULTILINE)


class Change(TypedDict):
    """A package's version before and after; `old` is empty where it was not installed."""

    package: str
    old: str
    new: str


def changes(simulation: str) -> list[Change]:
    """What `apt-get --simulate install` says that it would do."""
    return [
        Change(package=found["name"].partition(":")[0], old=found["old"] or "", new=found["new"])
        for found in _INST.finditer(simulation)
    ]


def steps(found: Iterable[Change], components: Sequence[str], left: Iterable[str]) -> list[str]:
    """What follows for the services of this host, and what an interrupted run left to be done."""
    changed = [change["package"] for change in found]
    due = {step for step, patterns in STEPS.items() if any(fnmatch(name, one) for name in changed for one in patterns)}
    return [step for step in STEPS if step in components and step in (due | set(left))]


def way_back(found: Iterable[Change]) -> str:
    """The line that brings the old versions back, empty if there are none."""
    older = [f"{change['package']}={change['old']}" for change in found if change["old"] not in ("", change["new"])]
    return f"apt-get install --allow-downgrades {' '.join(older)}" if older else ""


def waves(instances: Sequence[Mapping[str, object]]) -> list[list[Mapping[str, object]]]:
    """Processes that are replaced at the same time: of each endpoint one, so that another takes its new clients."""
    found: list[list[Mapping[str, object]]] = []
    seen: dict[object, int] = {}
    for instance in instances:
        number = seen.get(instance["endpoint"], 0)
        seen[instance["endpoint"]] = number + 1
        if number == len(found):
            found.append([])
        found[number].append(instance)
    return found
