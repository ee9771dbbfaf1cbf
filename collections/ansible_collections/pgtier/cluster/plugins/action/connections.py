# SPDX-License-Identifier: Apache-2.0
"""Writes down on the controller how to connect, readable by its owner only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pgtier.cluster.plugins.module_utils import private_file
from ansible_collections.pgtier.cluster.plugins.module_utils.connections import (
    ConnectionsError,
    connections,
    pgpass,
    serialise,
)


class ActionModule(ActionBase):
    """Runs on the controller alone. The result names files and holds nothing of what is in them."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "plan": {"type": "dict", "required": True},
                "passwords": {"type": "dict", "required": True, "no_log": True},
                "trusted": {"type": "str", "default": ""},
            }
        )
        directory = Path(args["directory"])
        try:
            files = {
                directory / "connections.json": serialise(
                    connections(args["plan"], args["passwords"], str((directory / "ca.crt").absolute()))
                ),
                directory / "pgpass": pgpass(args["plan"], args["passwords"]),
            }
            if args["trusted"]:
                files[directory / "ca.crt"] = args["trusted"]
            if directory.exists():
                private_file.make_directory(directory)
            changed = [
                str(path) for path, text in files.items() if private_file.converge(path, text, self._task.check_mode)
            ]
        except (ConnectionsError, private_file.PrivateFileError) as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=bool(changed), files=[str(path) for path in files], files_changed=changed)
        return result
