# SPDX-License-Identifier: Apache-2.0
"""Controller side of `host_check`: times the execution, so that the host's clock can be judged."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.pgtier.cluster.plugins.module_utils.host_check import clock_of, clock_problem


class ActionModule(ActionBase):
    """Runs the module once and adds a problem when the clocks are certainly too far apart."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        before = time.time()
        result.update(self._execute_module(task_vars=task_vars))
        after = time.time()
        if not result.get("failed"):
            clock = clock_of(before, after, float(result["time"]))
            problem = clock_problem(clock, float(self._task.args.get("clock_skew_max", 1.0)))
            if problem:
                result["problems"] = [*result["problems"], problem]
        return result
