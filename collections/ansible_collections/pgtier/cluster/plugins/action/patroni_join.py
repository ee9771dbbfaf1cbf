# SPDX-License-Identifier: Apache-2.0
"""Controller side of `patroni_join`: looks again until the member has arrived, and tells how far it is."""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.join import Watch

MODULE = "pgtier.cluster.patroni_join"
PATIENCE = 120.0


class ActionModule(ActionBase):
    """A module tells nothing before it ends, so a long wait is several short ones."""

    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        args, begin = dict(self._task.args), time.monotonic()
        name, watch = args.get("name", ""), Watch(float(args.get("patience", PATIENCE)), begin, begin)
        while True:
            seen = self._execute_module(module_name=MODULE, module_args=args, task_vars=task_vars)
            if seen.get("failed") or seen.get("unreachable") or self._task.check_mode or not seen["reason"]:
                result.update(seen)
                return result
            now = time.monotonic()
            Display().display(f"{name}: {watch.look(seen, now)}")
            if watch.stuck(now):
                raise AnsibleActionFail(
                    f"{name} has not got on for {watch.patience:g} s: {seen['reason']}. See `journalctl -u "
                    "patroni` on it. "
                    "Run the playbook again when that is mended: it goes on from where it is"
                )
