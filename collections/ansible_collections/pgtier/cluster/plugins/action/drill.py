# SPDX-License-Identifier: Apache-2.0
"""Runs a drill's load on the controller: begins it, and ends it with a verdict and a report."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import background, page, report
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.load import Connections
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.logins import LoginError, logins


class ActionModule(ActionBase):
    """Between the two states the load lives in a process of its own, which a directory leads to."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "state": {"type": "str", "choices": ["started", "finished"], "required": True},
                "connections": {"type": "path"},
                "database": {"type": "str", "default": ""},
                "user": {"type": "str", "default": ""},
                "writers": {"type": "int", "default": 50},
                "readers": {"type": "int", "default": 50},
                "limit": {"type": "float", "default": 3600.0},
                "directory": {"type": "path"},
                "cluster": {"type": "str", "default": ""},
                "names": {"type": "dict", "default": {}},
                "strikes": {"type": "list", "elements": "dict", "default": []},
                "reports": {"type": "path"},
            },
            required_if=[
                ("state", "started", ["connections"]),
                ("state", "finished", ["directory", "cluster", "reports"]),
            ],
        )
        try:
            found = self._start(args) if args["state"] == "started" else self._finish(args)
        except (background.BackgroundError, LoginError, OSError) as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(found)
        return result

    def _start(self, args: dict[str, Any]) -> dict[str, Any]:
        login = logins(_known(args["connections"]), args["database"], args["user"])
        if self._task.check_mode:
            return {"changed": True, "directory": "", "schema": ""}
        directory = Path(tempfile.mkdtemp(prefix="pgtier-drill-")) / "load"
        connections = Connections(
            login["primary"], [login["primary"]] * args["writers"], [login["replica"]] * args["readers"]
        )
        schema = background.start(directory, connections, args["limit"], {"patience": 30.0})
        return {"changed": True, "directory": str(directory), "schema": schema}

    def _finish(self, args: dict[str, Any]) -> dict[str, Any]:
        if self._task.check_mode:
            return {"changed": True, "files": []}
        directory = Path(args["directory"])
        seen = background.finish(directory)
        strikes = [
            report.Strike(
                row["fault"],
                ", ".join(row["hosts"]),
                float(row["struck"]) - seen.epoch,
                float(row["healed"]) - seen.epoch,
                float(row["end"]) - seen.epoch,
            )
            for row in args["strikes"]
        ]
        made = report.build(
            args["cluster"], seen.epoch + seen.begin, seen.begin, seen.end, seen.ledger, strikes, args["names"]
        )
        reports = Path(args["reports"])
        reports.mkdir(parents=True, exist_ok=True)
        stem = time.strftime("drill-%Y%m%d-%H%M%S", time.gmtime(made["began_at"]))
        texts = {"txt": report.text(made), "json": json.dumps(made, indent=2) + "\n", "html": page.html(made)}
        for suffix, text in texts.items():
            (reports / f"{stem}.{suffix}").write_text(text)
        shutil.rmtree(directory.parent)
        return {
            "changed": True,
            "files": [str(reports / f"{stem}.{suffix}") for suffix in texts],
            "text": texts["txt"].splitlines(),
            "broken": [one["text"] for one in made["anomalies"]],
            "acknowledged": made["acknowledged"],
        }


def _known(path: str) -> dict[str, Any]:
    """The file that site.yml leaves beside the inventory."""
    try:
        known: dict[str, Any] = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise LoginError(f"{path} is not there: run site.yml first, which writes it") from None
    except ValueError as error:
        raise LoginError(f"{path} cannot be read ({error}): run site.yml, which writes it anew") from error
    return known
