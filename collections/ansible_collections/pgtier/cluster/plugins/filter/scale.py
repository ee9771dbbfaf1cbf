# SPDX-License-Identifier: Apache-2.0
"""Filters of the playbooks that add and remove members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils.scale import join, leave


def newcomers(listed: Sequence[str], members: Iterable[Mapping[str, Any]], asked: str = "") -> list[str]:
    try:
        return join.newcomers(listed, members, asked)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from None


def removal(
    host: str, cluster: Mapping[str, Any], members: Mapping[str, Mapping[str, Any]], recovery_point: str, chosen: bool
) -> leave.Removal:
    try:
        return leave.plan_removal(host, cluster, members, recovery_point, chosen)
    except leave.RemovalRefusal as error:
        raise AnsibleFilterError(str(error)) from None


class FilterModule:
    """Filters about members that come and go."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"newcomers": newcomers, "removal": removal}
