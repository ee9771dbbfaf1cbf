# SPDX-License-Identifier: Apache-2.0
"""Faults by their names, with what root runs on whom: the filters `drill_faults` and `drill_hosts`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import faults


def drill_faults(names: str | Sequence[str], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    wanted = names.replace(",", " ").split() if isinstance(names, str) else names
    told = {name: str(value) for name, value in values.items()}
    try:
        return [
            {
                "name": fault.name,
                "target": fault.target,
                "does": fault.does,
                "lasts": fault.lasts,
                "strike": faults.strike_script(fault, told),
                "heal": faults.heal_script(fault),
            }
            for fault in faults.chosen(wanted or faults.DEFAULT)
        ]
    except faults.FaultError as error:
        raise AnsibleFilterError(str(error)) from error


def drill_hosts(target: str, status: Mapping[str, Any], proxies: Sequence[str]) -> list[str]:
    try:
        replicas = [row["name"] for row in status["members"] if row["name"] != status["leader"]]
        etcd = {row["name"]: bool(row["leads"]) for row in status["etcd"]}
        return faults.targets(target, status["leader"] or "", replicas, etcd, proxies)
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(
            f"drill_hosts: needs a target and what the filter status gives, and this is none ({error!r})"
        ) from error
    except faults.FaultError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"drill_faults": drill_faults, "drill_hosts": drill_hosts}
