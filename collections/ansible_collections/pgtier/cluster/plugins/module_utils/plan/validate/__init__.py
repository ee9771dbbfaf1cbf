"""Checks of an inventory beyond the type of each value. A new rule is a generator of mistakes, named in CHECKS."""

from __future__ import annotations

from ..mistakes import Mistake
from . import capacity, names, network, parameters, topology, virtual_address
from .subject import Subject

__all__ = ["CHECKS", "Subject", "validate"]

CHECKS = (
    topology.groups,
    topology.addresses,
    topology.roles,
    topology.sources,
    topology.fence,
    names.hosts,
    names.scope,
    names.databases,
    names.users,
    network.ports,
    network.client_networks,
    network.tls_names,
    network.hba_rules,
    network.firewall,
    virtual_address.address,
    virtual_address.interfaces,
    parameters.cluster,
    parameters.members,
    parameters.system,
    capacity.pools,
    capacity.proxies,
    capacity.connections,
    capacity.limits,
    capacity.memory,
    capacity.disk,
)


def validate(subject: Subject) -> list[Mistake]:
    return [mistake for check in CHECKS for mistake in check(subject)]
