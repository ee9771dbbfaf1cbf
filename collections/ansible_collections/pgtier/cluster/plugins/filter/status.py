# SPDX-License-Identifier: Apache-2.0
"""What a cluster's hosts answered, made sense of: the filters `status` and `status_screen`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils.status.screen import render
from ansible_collections.pgtier.cluster.plugins.module_utils.status.summary import Status, summarise


def status(
    plan: Any,
    cluster: Sequence[Mapping[str, Any]],
    proxies: Mapping[str, Mapping[str, Any]],
    certificates: Mapping[str, Any],
    replication: Mapping[str, Mapping[str, Any]] | None = None,
) -> Status:
    try:
        return summarise(plan, cluster, proxies, certificates, replication)
    except (KeyError, TypeError, AttributeError) as error:
        raise AnsibleFilterError(
            f"status: needs a plan and the modules' results, and this is none ({error!r})"
        ) from error


def status_screen(found: Any) -> str:
    try:
        return render(found)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"status_screen: needs what the filter status gives ({error!r})") from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"status": status, "status_screen": status_screen}
