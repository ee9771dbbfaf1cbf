# SPDX-License-Identifier: Apache-2.0
"""Work still due, written down before anything is changed and struck out when done: whoever is interrupted - Ctrl-C,
a lost connection, a power cut - is finished by the next run, though the files then show no difference any more."""

from __future__ import annotations

import json

from ansible_collections.pgtier.cluster.plugins.module_utils.component.host import Host
from ansible_collections.pgtier.cluster.plugins.module_utils.component.model import ComponentError, Due, Journal

DIRECTORY = "/var/lib/pgtier"


def path_of(name: str) -> str:
    return f"{DIRECTORY}/{name}.json"


def read(host: Host, name: str) -> Journal:
    path = path_of(name)
    if host.look_at(path).kind == "absent":
        return Journal()
    try:
        data = json.loads(host.path(path).read_text())
        return Journal(
            units={
                unit: Due(due["verb"], tuple(due["reasons"]), due["invocation"]) for unit, due in data["units"].items()
            },
            apply=frozenset(data["apply"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ComponentError(
            f"{path} is damaged ({error}). It lists restarts that an earlier run left due. "
            "Remove it, and restart the component's units if one of their files is newer than they are"
        ) from error


def write(host: Host, name: str, journal: Journal) -> None:
    """Nothing due: no file."""
    path = path_of(name)
    if not journal.units and not journal.apply:
        host.path(path).unlink(missing_ok=True)
        return
    directory = host.path(DIRECTORY)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    data = {
        "units": {
            unit: {"verb": due.verb, "reasons": list(due.reasons), "invocation": due.invocation}
            for unit, due in sorted(journal.units.items())
        },
        "apply": sorted(journal.apply),
    }
    host.replace(path, json.dumps(data, indent=1).encode() + b"\n", ("root", "root", 0o600))
