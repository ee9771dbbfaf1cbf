# SPDX-License-Identifier: Apache-2.0
"""Where the virtual address is, and what is wrong with that. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan


class VirtualAddress(TypedDict):
    """`on` are the proxies that have it, which should be one. `weights` are what keepalived adds to each one's
    priority: below 0 for one that does not serve, or is drained."""

    address: str
    on: list[str]
    weights: dict[str, int | None]


def summarise(plan: Plan, proxies: Mapping[str, Mapping[str, Any]]) -> VirtualAddress | None:
    address = plan["keepalived"]["address"]
    said = {name: found for name, result in proxies.items() if (found := result.get("virtual_address"))}
    if not address or not said:
        return None
    return VirtualAddress(
        address=address,
        on=[name for name, found in said.items() if found["here"]],
        weights={name: found["weight"] for name, found in said.items()},
    )


def problems(plan: Plan, found: VirtualAddress | None) -> Iterator[str]:
    """Those that speak against taking anything away."""
    if found is None:
        return
    if len(found["on"]) > 1:
        yield f"the virtual address {found['address']} is on {' and '.join(found['on'])}: they cannot hear each other"
    elif not found["on"] and found["weights"].keys() == plan["keepalived"]["proxies"].keys():
        yield f"no proxy has the virtual address {found['address']}: see `journalctl -u pgtier-keepalived` there"


def notes(found: VirtualAddress | None) -> Iterator[str]:
    for name, weight in found["weights"].items() if found else ():
        if weight is None:
            yield f"{name} does not say whether it serves: see `systemctl status pgtier-proxy-check` there"
        elif weight < 0:
            yield f"{name} is not fit for the virtual address: `systemctl status pgtier-proxy-check` there says why"
