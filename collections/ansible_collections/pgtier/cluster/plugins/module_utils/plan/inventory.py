"""What the plan is made from: groups, variables, and what hosts said about themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

GROUPS = ("etcd", "postgres", "proxy")


@dataclass(frozen=True)
class Unreadable:
    """Stands for a variable whose value could not be worked out, such as a template with an undefined name."""

    problem: str
    remedy: str = "Define what the expression refers to, or write the value itself."


@dataclass(frozen=True)
class HostFacts:
    """`ssh_client` and `ssh_port` are the two ends of the connection that Ansible came in by, as the host sees it.
    `interface` is the one that has the host's address, `network` that address with its prefix length. `disk_mb` is the
    size of the file system for PostgreSQL's data, 0 while unknown."""

    memory_mb: int
    cores: int
    ssh_client: str = ""
    ssh_port: int = 0
    interface: str = ""
    network: str = ""
    disk_mb: int = 0


@dataclass(frozen=True)
class Inventory:
    """Groups to host names, and hosts to their variables. Variables of groups are already merged into the hosts."""

    groups: Mapping[str, tuple[str, ...]]
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def members(self, group: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.groups.get(group, ())))

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every host of the cluster once, in the order of the groups."""
        return tuple(dict.fromkeys(host for group in GROUPS for host in self.members(group)))

    def without(self, host: str) -> Inventory:
        """The inventory once the host has been taken out of it."""
        return Inventory(
            {group: tuple(name for name in names if name != host) for group, names in self.groups.items()},
            {name: values for name, values in self.variables.items() if name != host},
        )

    def value(self, host: str, variable: str) -> Any:
        return self.variables.get(host, {}).get(variable)
