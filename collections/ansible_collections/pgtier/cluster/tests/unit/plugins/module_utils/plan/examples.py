"""Inventories for the tests: one that is right, and ways to make it wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import HostFacts, Inventory
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan

MEMBERS = ("pg1", "pg2", "pg3")
PROXIES = ("proxy1", "proxy2")
GROUPS = {"etcd": MEMBERS, "postgres": MEMBERS, "proxy": PROXIES}
COMMON = {
    "databases": [{"name": "app", "owner": "app"}],
    "databases_users": [{"name": "app"}, {"name": "web", "grants": [{"database": "app", "privilege": "write"}]}],
    "postgresql_client_networks": ["10.0.0.0/24"],
}


def inventory(
    groups: Mapping[str, tuple[str, ...]] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    **variables: Any,
) -> Inventory:
    """Three members and two proxies, or other groups, with variables of the cluster and of single hosts on top."""
    groups = GROUPS if groups is None else groups
    names = dict.fromkeys(host for members in groups.values() for host in members)
    return Inventory(
        groups,
        {
            host: {"ansible_host": f"10.0.0.{number}", **COMMON, **variables, **(hosts or {}).get(host, {})}
            for number, host in enumerate(names, 11)
        },
    )


def plan(
    groups: Mapping[str, tuple[str, ...]] | None = None,
    hosts: Mapping[str, Mapping[str, Any]] | None = None,
    memory_mb: int | None = 8192,
    cores: int = 4,
    disk_mb: int = 0,
    **variables: Any,
) -> Plan:
    made = inventory(groups, hosts, **variables)
    told = None if memory_mb is None else HostFacts(memory_mb, cores, interface="eth0", disk_mb=disk_mb)
    return build_plan(made, dict.fromkeys(made.hosts, told) if told else {})
