# SPDX-License-Identifier: Apache-2.0
"""The filter `plan_summary`: a plan in, a text for a person out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.summary import summary


def plan_summary(plan: Any) -> str:
    try:
        return "\n".join(summary(plan))
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"plan_summary: needs a plan, and this is none ({error!r})") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"plan_summary": plan_summary}
