"""Filters over module_utils/lab/network: what an inventory needs to know of a lab."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import network as labs


def lab_network(name: str, subnet: str | None = None) -> dict[str, Any]:
    try:
        net = labs.network(name, subnet or None)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error
    state = labs.state_directory(dict(os.environ), name)
    known_hosts = f"{state}/ssh/known_hosts"
    return {
        "name": name,
        "subnet": str(net.subnet),
        "gateway": net.gateway,
        "virtual_address": net.virtual_address,
        "bridge": net.bridge,
        "table": net.table,
        "state_directory": state,
        "cache_directory": labs.cache_directory(dict(os.environ)),
        "private_key": f"{state}/ssh/id_ed25519",
        "known_hosts": known_hosts,
        "control_path_directory": f"{state}/ssh/cp",
        "ssh_arguments": f"-o UserKnownHostsFile={known_hosts} -o IdentitiesOnly=yes",
        "owner": os.getuid(),
    }


def lab_address(name: str, index: int, subnet: str | None = None) -> str:
    try:
        return labs.network(name, subnet or None).address(int(index))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


def lab_hosts(names: list[str], hostvars: Mapping[str, Any]) -> list[dict[str, Any]]:
    indexes = {name: hostvars[name].get("lab_index") for name in names if name in hostvars}
    try:
        return labs.inventory_hosts(list(names), indexes)
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"lab_network": lab_network, "lab_address": lab_address, "lab_hosts": lab_hosts}
