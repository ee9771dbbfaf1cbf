"""From what Ansible holds of an inventory to plain data: no tags, no lazy containers, no secrets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .inventory import GROUPS, HostFacts, Inventory, Unreadable
from .options import OPTIONS, PREFIXES

_ADDRESSES = ("ansible_host", "pgtier_address")
_SECRET = "password"
HIDDEN = "(hidden)"


def read_inventory(groups: Mapping[str, Iterable[str]], hostvars: Mapping[str, Mapping[str, Any]]) -> Inventory:
    """The cluster's part of an inventory: its groups, and of their hosts the variables that are ours."""
    ours = {str.__str__(name): tuple(map(str.__str__, hosts)) for name, hosts in groups.items() if name in GROUPS}
    hosts = dict.fromkeys(host for members in ours.values() for host in members)
    return Inventory(ours, {host: _variables(hostvars[host]) for host in hosts if host in hostvars})


def read_facts(facts: Mapping[str, Mapping[str, Any]]) -> dict[str, HostFacts]:
    """Sizes of the hosts that told them."""
    return {
        str.__str__(host): HostFacts(
            int(told["memory_mb"]),
            int(told["cores"]),
            str(told.get("ssh_client", "")),
            int(told.get("ssh_port", 0)),
            str(told.get("interface", "")),
            str(told.get("network", "")),
            int(told.get("disk_mb", 0)),
        )
        for host, told in facts.items()
        if "memory_mb" in told and "cores" in told
    }


def _variables(variables: Mapping[str, Any]) -> dict[str, Any]:
    ours = [
        str.__str__(name)
        for name in variables
        if (name in OPTIONS and OPTIONS[name].planned)
        or name in _ADDRESSES
        or (name not in OPTIONS and name.startswith(PREFIXES))
    ]
    return {name: _value(variables, name) for name in ours}


def _value(variables: Mapping[str, Any], name: str) -> Any:
    # Whatever stops an expression from being worked out is the user's to see with all the other mistakes.
    try:
        return plain(variables[name])
    except Exception as error:
        first_line = next(iter(str(error).splitlines()), type(error).__name__)
        return Unreadable(f"its value cannot be worked out: {first_line}")


def plain(value: Any) -> Any:
    """A copy in the types of JSON. Ansible's own are subclasses that carry tags."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, Mapping):
        return {plain(key): _hidden(item) if key == _SECRET else plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return str(value)


def _hidden(value: Any) -> Any:
    """A password never enters the plan, nor a message about a mistake."""
    if isinstance(value, bool | int | float):
        return Unreadable("is a number and not text", "Put it in quotes.")
    return None if value is None else HIDDEN
