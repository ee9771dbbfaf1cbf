# SPDX-License-Identifier: Apache-2.0
"""Keeps the certificate authority of a cluster and the hosts' certificates on the controller."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pgtier.cluster.plugins.module_utils import private_file
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import folder, pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.issue import certify
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import ROTATION, CertificatesError, read


class ActionModule(ActionBase):
    """Runs on the controller alone: the CA's key never leaves it.

    One execution for all hosts and all their files. community.crypto would need three a host (key, request,
    certificate) at 0.3-0.5 s each, more than a whole second run may take.
    """

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        # The result holds private keys: it is hidden even when the task forgot to ask for that.
        result["_ansible_no_log"] = True
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "scope": {"type": "str", "required": True},
                "hosts": {"type": "dict", "required": True},
                "ca_days": {"type": "int", "default": 3650},
                "days": {"type": "int", "default": 365},
                "refuse_days": {"type": "int", "default": 14},
                "renew": {"type": "list", "elements": "str", "default": []},
                "given_ca": {"type": "dict", "no_log": True},
                "given": {"type": "dict", "default": {}, "no_log": True},
                "ca_rotation": {"type": "str", "choices": list(ROTATION), "default": "none"},
            }
        )
        directory = Path(args["directory"])
        check_mode = self._task.check_mode
        try:
            pki.require()
            request = read(args)
            if not check_mode:
                folder.make(directory)
            with nullcontext() if check_mode else private_file.locked(directory):
                outcome = certify(folder.read(directory), request, str(directory), datetime.now(UTC))
                if not check_mode:
                    folder.apply(directory, outcome.steps)
        except (CertificatesError, private_file.PrivateFileError) as error:
            # Raised, so that the text is shown: it never has a key in it.
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=bool(outcome.steps), **outcome.result)
        return result
