"""Who is who: hosts with their addresses, members with their roles. A wrong inventory is read as far as it goes."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from .inventory import GROUPS, Inventory
from .settings import Settings


@dataclass(frozen=True)
class Topology:
    """Host names in the order of the inventory. `addresses` has only hosts whose address can be read; `sources` are the
    members that others stream from instead of from the primary, by the one that streams."""

    etcd: tuple[str, ...]
    candidates: tuple[str, ...]
    analytics: tuple[str, ...]
    proxies: tuple[str, ...]
    addresses: dict[str, str]
    groups: dict[str, tuple[str, ...]]
    sources: dict[str, str]

    @property
    def members(self) -> tuple[str, ...]:
        return self.candidates + self.analytics

    @property
    def acknowledging(self) -> tuple[str, ...]:
        """Candidates that commits can wait for: those that stream from the primary."""
        return tuple(host for host in self.candidates if host not in self.sources)

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(self.groups)

    def address_of(self, hosts: tuple[str, ...]) -> list[str]:
        return [self.addresses[host] for host in hosts if host in self.addresses]


def written_address(inventory: Inventory, host: str) -> tuple[str, object]:
    """The variable that gives a host's address, and its value. A host may be named by its address instead."""
    for variable in ("pgtier_address", "ansible_host"):
        value = inventory.value(host, variable)
        if value is not None:
            return variable, value
    return "", host


def parse_address(value: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None


def read_topology(inventory: Inventory, settings: Settings) -> Topology:
    members = inventory.members("postgres")
    analytics = tuple(host for host in members if settings.of(host, "patroni_role") == "analytics")
    parsed = {host: parse_address(written_address(inventory, host)[1]) for host in inventory.hosts}
    return Topology(
        etcd=inventory.members("etcd"),
        candidates=tuple(host for host in members if host not in analytics),
        analytics=analytics,
        proxies=inventory.members("proxy"),
        addresses={host: str(address) for host, address in parsed.items() if address is not None},
        groups={host: tuple(group for group in GROUPS if host in inventory.members(group)) for host in inventory.hosts},
        sources={
            host: source for host in members if (source := settings.of(host, "patroni_replicate_from")) is not None
        },
    )


def host_port(address: str, port: int) -> str:
    """An address and a port as one, with brackets where IPv6 needs them."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def virtual_address(settings: Settings) -> str:
    """The address that moves between the proxies, `""` without one. One that cannot be read is another mistake."""
    return str(parse_address(settings["keepalived_address"]) or "")


def host_network(address: str) -> str:
    """The network that is one host."""
    return f"{address}/128" if ":" in address else f"{address}/32"
