"""What a host must be like before anything is done to it: observed facts in, a list of problems out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MIB = 1024 * 1024


@dataclass(frozen=True)
class Listener:
    """A process that listens on a TCP port. `process` is empty where the kernel did not tell."""

    port: int
    process: str


@dataclass(frozen=True)
class Wanted:
    """A port that a component will listen on, with the variable that moves it."""

    port: int
    process: str
    variable: str


@dataclass(frozen=True)
class Observed:
    """A host as it is. Sizes in MiB. `data_directory_state` is `absent`, `ours` or `foreign`."""

    os_id: str
    os_version: str
    os_name: str
    memory_mb: int
    disk_free_mb: int
    listeners: Sequence[Listener] = ()
    unresolved: Sequence[str] = ()
    data_directory_state: str = "absent"


@dataclass(frozen=True)
class Limits:
    """What is asked of a host. `supported` maps an os-release ID to its VERSION_IDs."""

    supported: Mapping[str, Sequence[str]]
    memory_mb: int
    disk_free_mb: int
    ports: Sequence[Wanted] = ()
    data_directory: str = ""
    memory_variable: str = "preflight_memory_min_mb"
    disk_variable: str = "preflight_disk_free_min_mb"


@dataclass(frozen=True)
class Clock:
    """A host's clock against the controller's, seconds. The true offset lies within `offset` +- `uncertainty`."""

    offset: float
    uncertainty: float = field(default=0.0)


def clock_of(before: float, after: float, host: float) -> Clock:
    """The host read its clock between `before` and `after` of the controller's clock (Cristian's algorithm)."""
    return Clock(offset=host - (before + after) / 2, uncertainty=abs(after - before) / 2)


def clock_problem(clock: Clock, limit: float) -> str | None:
    """A skew is reported only where it is certain: a slow connection alone must not refuse a host."""
    if abs(clock.offset) - clock.uncertainty <= limit:
        return None
    way = "ahead of" if clock.offset > 0 else "behind"
    return (
        f"its clock is {abs(clock.offset):.1f} s {way} the controller's (limit {limit:g} s, preflight_clock_skew_max):"
        " leases and lag in seconds would be wrong; run an NTP client such as chrony on both"
    )


def ssh_connection(environments: Iterable[Mapping[str, str]]) -> dict[str, str | int]:
    """Where Ansible comes from and the port that it came in by. SSH_CONNECTION is client, port, server, port."""
    for environment in environments:
        fields = environment.get("SSH_CONNECTION", "").split()
        if len(fields) == 4 and fields[3].isdecimal():
            return {"ssh_client": fields[0].removeprefix("::ffff:"), "ssh_port": int(fields[3])}
    return {"ssh_client": "", "ssh_port": 0}


def interface_of(address: str, shown: str) -> dict[str, str]:
    """Which interface has an address, by what `ip -json address show` says."""
    try:
        links = json.loads(shown)
    except ValueError:
        links = []
    for link in links:
        for one in link.get("addr_info", []):
            if address and one.get("local") == address:
                return {"interface": link["ifname"], "network": f"{address}/{one['prefixlen']}"}
    return {"interface": "", "network": ""}


def _supported(supported: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{name} {version}" for name, versions in supported.items() for version in versions)


def problems(observed: Observed, limits: Limits) -> list[str]:
    """Everything that is wrong with a host, each with what to do about it. Empty when the host is fit."""
    found: list[str] = []
    if observed.os_version not in limits.supported.get(observed.os_id, ()):
        found.append(f"runs {observed.os_name}, which is not supported; supported: {_supported(limits.supported)}")
    if observed.memory_mb < limits.memory_mb:
        found.append(
            f"has {observed.memory_mb} MiB of memory, {limits.memory_mb} MiB are needed;"
            f" use a larger host or lower {limits.memory_variable}"
        )
    if observed.disk_free_mb < limits.disk_free_mb:
        found.append(
            f"has {observed.disk_free_mb} MiB free where its data goes, {limits.disk_free_mb} MiB are needed;"
            f" free some or lower {limits.disk_variable}"
        )
    by_port = {listener.port: listener for listener in observed.listeners}
    for wanted in limits.ports:
        listener = by_port.get(wanted.port)
        if listener and listener.process != wanted.process:
            who = listener.process or "an unknown process"
            found.append(
                f"port {wanted.port} ({wanted.variable}) is wanted by {wanted.process} and taken by {who};"
                f" stop that or choose another {wanted.variable}"
            )
    found.extend(
        f"cannot resolve the name {name}; check /etc/hosts and /etc/resolv.conf" for name in observed.unresolved
    )
    if observed.data_directory_state == "foreign":
        found.append(
            f"{limits.data_directory} holds a PostgreSQL cluster that pgtier did not make and will not overwrite;"
            " move it away, or take this host out of the group postgres"
        )
    return found
