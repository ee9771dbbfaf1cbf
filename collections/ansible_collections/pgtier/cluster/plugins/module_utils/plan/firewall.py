"""The rules of each host's firewall, where one is wanted: the openings of the plan, and ssh."""

from __future__ import annotations

from collections.abc import Mapping

from .inventory import HostFacts
from .openings import collapsed, openings
from .schema.hosts import Firewall, FirewallRule
from .settings import Settings
from .topology import Topology, host_network

SSH_PORT = 22


def firewall(settings: Settings, topology: Topology, facts: Mapping[str, HostFacts]) -> Firewall:
    if not settings["firewall_enabled"]:
        return Firewall(enabled=False, hosts={})
    return Firewall(
        enabled=True,
        hosts={
            host: [
                _ssh(settings, facts.get(host)),
                *(
                    _rule(
                        opening["port"],
                        opening["protocol"],
                        opening["what"],
                        [*(host_network(topology.addresses[name]) for name in opening["hosts"]), *opening["networks"]],
                    )
                    for opening in found
                    # A cluster of one host has ports that nobody else needs.
                    if opening["hosts"] or opening["networks"]
                ),
            ]
            for host, found in openings(settings, topology).items()
        },
    )


def _ssh(settings: Settings, facts: HostFacts | None) -> FirewallRule:
    """The port that Ansible came in by. Without networks of the administrators it is open to everybody."""
    port = facts.ssh_port if facts and facts.ssh_port else SSH_PORT
    return _rule(port, "tcp", "ssh", settings["firewall_admin_networks"] or ["0.0.0.0/0", "::/0"])


def _rule(port: int, protocol: str, what: str, networks: list[str]) -> FirewallRule:
    four, six = collapsed(networks)
    return FirewallRule(port=port, protocol=protocol, what=what, ip4=four, ip6=six)
