"""Who may connect to what: each port that a host has for others, and from where. What is not here is on loopback.

The services themselves see to it (pg_hba, PgBouncer's and HAProxy's lists of clients, etcd's certificates, Patroni's
password); a firewall, where it is wanted, goes by the same table.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from .endpoints import wanted_direct, wanted_pools
from .hba import LOOPBACK, hba
from .schema.hosts import Opening
from .settings import Settings
from .topology import Topology, host_network, virtual_address


def own_networks(topology: Topology) -> list[str]:
    return list(dict.fromkeys(host_network(address) for address in topology.address_of(topology.hosts)))


def client_networks(settings: Settings, topology: Topology) -> list[str]:
    """From where users come: the cluster's hosts and the networks that are named. A client on the proxy that has the
    virtual address comes from there."""
    virtual = [host_network(address) for address in filter(None, [virtual_address(settings)])]
    return list(dict.fromkeys((*own_networks(topology), *virtual, *settings["postgresql_client_networks"])))


def openings(settings: Settings, topology: Topology) -> dict[str, list[Opening]]:
    return {host: list(_of(host, settings, topology)) for host in topology.hosts}


def _of(host: str, settings: Settings, topology: Topology) -> Iterable[Opening]:
    def opening(port: int, what: str, hosts: Iterable[str], networks: Iterable[str] = ()) -> Opening:
        # A host reaches itself by loopback, whatever address it uses.
        others = [name for name in dict.fromkeys(hosts) if name != host]
        return Opening(port=port, protocol="tcp", what=what, hosts=others, networks=list(dict.fromkeys(networks)))

    if host in topology.etcd:
        yield opening(settings["etcd_client_port"], "etcd, for Patroni", (*topology.etcd, *topology.members))
        yield opening(settings["etcd_peer_port"], "etcd's members", topology.etcd)
    if host in topology.members:
        yield opening(settings["postgresql_port"], "PostgreSQL", *_of_hba(settings, topology))
        yield opening(settings["patroni_restapi_port"], "Patroni's REST API", topology.hosts)
    if host in topology.proxies:
        ports = {pool.name: pool.port for pool in wanted_pools(settings, topology)}
        ports |= {row.name: settings[row.port_option] for row in wanted_direct(topology)}
        for name, port in ports.items():
            yield opening(port, f"endpoint {name}", topology.hosts, settings["postgresql_client_networks"])
        if virtual_address(settings):
            others = [name for name in topology.proxies if name != host]
            yield Opening(port=0, protocol="vrrp", what="who has the virtual address", hosts=others, networks=[])
    for extra in settings.of(host, "firewall_extra"):
        yield Opening(
            port=extra["port"],
            protocol=extra["protocol"],
            what=extra["purpose"],
            hosts=[],
            networks=list(dict.fromkeys(extra["networks"])),
        )


def _of_hba(settings: Settings, topology: Topology) -> tuple[list[str], list[str]]:
    """Hosts and networks that some rule of pg_hba lets in."""
    addresses = dict.fromkeys(
        rule["address"]
        for rule in hba(settings, topology)
        if rule["address"] not in ("", LOOPBACK) and rule["method"] != "reject"
    )
    names = {host_network(topology.addresses[host]): host for host in topology.hosts if host in topology.addresses}
    return [names[a] for a in addresses if a in names], [a for a in addresses if a not in names]


def collapsed(networks: Iterable[str]) -> tuple[list[str], list[str]]:
    """The same addresses in as few networks as there can be, of IPv4 and of IPv6: no two of them overlap."""
    parsed = [ipaddress.ip_network(network) for network in networks]
    four = ipaddress.collapse_addresses(network for network in parsed if isinstance(network, ipaddress.IPv4Network))
    six = ipaddress.collapse_addresses(network for network in parsed if isinstance(network, ipaddress.IPv6Network))
    return [str(network) for network in four], [str(network) for network in six]
