# SPDX-License-Identifier: Apache-2.0
"""The filter `plan`: Ansible's view of an inventory in, the plan out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.mistakes import PlanError
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.reading import read_facts, read_inventory
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan


def plan(
    groups: Mapping[str, Iterable[str]],
    hostvars: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, Mapping[str, Any]] | None = None,
    leaving: str = "",
) -> Plan:
    try:
        return build_plan(read_inventory(groups, hostvars), read_facts(facts or {}), leaving)
    except PlanError as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Filters of the plan."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"plan": plan}
