# SPDX-License-Identifier: Apache-2.0
"""Tells how long the certificates of a cluster last. Reads no key, and its result may be shown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pgtier.cluster.plugins.module_utils import private_file
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import authority, folder, pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.report import of_folder
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError


class ActionModule(ActionBase):
    """Runs on the controller alone and changes nothing."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validated, args = self.validate_argument_spec(
            argument_spec={
                "directory": {"type": "path", "required": True},
                "given_certificates": {"type": "dict", "default": {}},
                "hosts": {"type": "list", "elements": "str"},
                "refuse_days": {"type": "int", "default": 14},
            }
        )
        directory = Path(args["directory"])
        try:
            pki.require()
            files = folder.read(directory, keys=False)
            stage = authority.stage(folder.Draft(files))
            files = folder.only_hosts(files, args["hosts"])
            now = datetime.now(UTC).replace(microsecond=0)
            expiry, problems = of_folder(files, args["given_certificates"], str(directory), now, args["refuse_days"])
        except (CertificatesError, private_file.PrivateFileError) as error:
            raise AnsibleActionFail(str(error)) from error
        result.update(changed=False, stage=stage, expiry=expiry, problems=problems)
        return result
