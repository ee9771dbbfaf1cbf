"""The names and addresses of a lab, all derived from the lab's name: nothing is registered or looked up anywhere.

Pure functions. The inventory (through filters) and the modules compute the same values independently.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import ipaddress
import re
from dataclasses import dataclass

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
HOST_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
FIRST_ADDRESS = 10
HIGHEST_INDEX = 200
VIRTUAL = 250
"""Hosts sit at .11 to .210 of the lab's /24; .1 is the machine, .250 an address that may move between hosts."""

BRIDGE_PREFIX = "pgt-"


def lab_name_problem(name: str) -> str | None:
    if NAME.fullmatch(name):
        return None
    return f"lab name {name!r}: use 1 to 40 lower-case letters, digits and inner hyphens"


def host_problems(hosts: list[tuple[str, int]]) -> list[str]:
    """Everything wrong with a list of (name, index), all at once."""
    problems: list[str] = []
    seen: dict[object, str] = {}
    for name, index in hosts:
        if not HOST_NAME.fullmatch(name):
            problems.append(f"host {name!r}: use 1 to 40 lower-case letters, digits and inner hyphens, a letter first")
        if not 1 <= index <= HIGHEST_INDEX:
            problems.append(f"host {name!r}: index {index} is outside 1 to {HIGHEST_INDEX}; set its lab_index")
        if name in seen:
            problems.append(f"host {name!r} is listed twice; remove one of the two")
        elif index in seen:
            problems.append(f"host {name!r}: index {index} belongs to {seen[index]!r} too; change one lab_index")
        seen.setdefault(name, name)
        seen.setdefault(index, name)
    return problems


def inventory_hosts(names: list[str], indexes: dict[str, object]) -> list[dict[str, object]]:
    """What the lab module wants, from the inventory's group and each host's lab_index."""
    missing = [name for name in names if not isinstance(indexes.get(name), int)]
    if missing:
        raise ValueError(
            f"lab_index of {', '.join(missing)}: set it on each lab host, a number from 1 to {HIGHEST_INDEX}"
        )
    return [{"name": name, "index": indexes[name]} for name in names]


@dataclass(frozen=True)
class Network:
    """What a lab is called on this machine. Interface names must fit the kernel's 15 characters."""

    name: str
    tag: str
    bridge: str
    table: str
    subnet: ipaddress.IPv4Network

    @property
    def gateway(self) -> str:
        return str(self.subnet[1])

    @property
    def bridge_mac(self) -> str:
        """Fixed, because a bridge otherwise takes the lowest address of its ports and changes as hosts come and go."""
        return ":".join(["02", "70", *(self.tag[i : i + 2] for i in (0, 2, 4)), "01"])

    @property
    def virtual_address(self) -> str:
        """One that no host has, for the hosts to move among them."""
        return str(self.subnet[VIRTUAL])

    def address(self, index: int) -> str:
        if not 1 <= index <= HIGHEST_INDEX:
            raise ValueError(f"lab index {index} is outside 1 to {HIGHEST_INDEX}")
        return str(self.subnet[FIRST_ADDRESS + index])

    def machine(self, index: int) -> str:
        """The machine's name for nspawn. Short, so that nspawn does not abbreviate the interface it makes from it."""
        return f"{self.tag}h{index}"

    def port(self, index: int) -> str:
        """The host's end on the bridge."""
        return f"vb-{self.machine(index)}"


def network(name: str, subnet: str | None = None) -> Network:
    """The network of the lab of this name. A subnet is only given when the computed one is taken on this machine."""
    problem = lab_name_problem(name)
    if problem:
        raise ValueError(problem)
    digest = hashlib.sha256(name.encode()).digest()
    tag = digest.hex()[:6]
    chosen = subnet or f"10.{100 + digest[4] % 100}.{digest[5]}.0/24"
    try:
        parsed = ipaddress.IPv4Network(chosen)
    except ValueError as error:
        raise ValueError(f"lab subnet {chosen!r}: {error}; give an IPv4 network such as 10.77.5.0/24") from error
    if parsed.prefixlen != 24:
        raise ValueError(f"lab subnet {chosen!r}: the lab needs a /24, for hosts at .11 to .210")
    return Network(name=name, tag=tag, bridge=f"{BRIDGE_PREFIX}{tag}", table=f"pgtier_lab_{tag}", subnet=parsed)


def state_directory(environment: dict[str, str], name: str) -> str:
    """Where the lab of this name keeps its hosts and keys: found again after a reboot from the name alone."""
    base = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '/root')}/.local/state"
    return f"{base}/pgtier/labs/{name}"


def cache_directory(environment: dict[str, str]) -> str:
    base = environment.get("XDG_CACHE_HOME") or f"{environment.get('HOME', '/root')}/.cache"
    return f"{base}/pgtier"
