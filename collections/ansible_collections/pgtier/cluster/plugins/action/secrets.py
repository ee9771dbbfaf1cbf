# SPDX-License-Identifier: Apache-2.0
"""Reads the passwords of a cluster on the controller and makes those that are missing."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pgtier.cluster.plugins.module_utils import private_file
from ansible_collections.pgtier.cluster.plugins.module_utils.secrets import (
    SecretsError,
    check_given,
    complete,
    parse,
    serialise,
)


class ActionModule(ActionBase):
    """Runs on the controller alone: no host ever holds the file."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        # The result is made of passwords: it is hidden even when the task forgot to ask for that.
        result["_ansible_no_log"] = True
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "users": {"type": "list", "elements": "str", "required": True},
                "services": {"type": "list", "elements": "str", "default": []},
                "given": {"type": "dict", "default": {}, "no_log": True},
                "renew": {"type": "list", "elements": "str", "default": []},
            }
        )
        path = Path(args["directory"]) / "passwords.json"
        check_mode = self._task.check_mode
        try:
            check_given(args["given"])
            if not check_mode or path.parent.exists():
                private_file.make_directory(path.parent)
            with nullcontext() if check_mode else private_file.locked(path.parent):
                stored = parse(private_file.read(path), str(path))
                use, keep = complete(stored, args["users"], args["services"], args["given"], renew=args["renew"])
                made = sorted(
                    name
                    for kind in ("users", "services")
                    for name in keep[kind]
                    if keep[kind][name] != stored[kind].get(name)
                )
                if made and not check_mode:
                    private_file.write(path, serialise(keep))
        except (SecretsError, private_file.PrivateFileError) as error:
            # Raised, so that the text is shown: it never has a password in it.
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=bool(made), path=str(path), generated=made, **use)
        return result
