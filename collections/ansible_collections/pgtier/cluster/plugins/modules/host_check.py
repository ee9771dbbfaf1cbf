#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_check
short_description: Look whether a host is fit for its part in the cluster
version_added: 0.1.0
description:
  - Reads what the plan and the preflight need to know of a host, in one execution, and lists everything wrong with it.
  - Never fails because of what it finds and never changes anything.
    The caller gathers the problems of all hosts and refuses once.
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
options:
  address:
    description: The host's address, as the plan says. It is told which network interface has it.
    type: str
    default: ""
  supported:
    description: Supported systems, as C(ID) of os-release to a list of C(VERSION_ID).
    type: dict
    required: true
  ports:
    description: The ports of the host's components, as the plan lists them.
    type: list
    elements: dict
    default: []
  memory_min_mb:
    description: Least memory, MiB.
    type: int
    default: 512
  disk_free_min_mb:
    description: Least free space, MiB, on the file system that will hold O(disk_path).
    type: int
    default: 1024
  disk_path:
    description: A path, which need not exist yet, on the file system that data goes to.
    type: path
    default: /var/lib
  data_directory:
    description: PostgreSQL's data directory, on hosts that have one.
    type: path
    default: ""
  clock_skew_max:
    description: Largest clock difference to the controller, seconds. Judged on the controller.
    type: float
    default: 1.0
"""

EXAMPLES = r"""
- name: Look at the hosts
  pgtier.cluster.host_check:
    supported: {debian: ["13"]}
    ports: "{{ pgtier_plan.hosts[inventory_hostname].ports }}"
  register: looked
"""

RETURN = r"""
facts:
  description:
    - The host's size, with that of the file system that O(disk_path) is on, and both ends of the connection that
      Ansible came in by, as the host sees them (empty and 0 where that is not ssh).
    - The C(interface) that has O(address), and that with its prefix length as C(network); empty if none has it.
  returned: always
  type: dict
  sample:
    memory_mb: 8192
    cores: 4
    disk_mb: 102400
    container: false
    ssh_client: 192.0.2.9
    ssh_port: 22
    interface: eth0
    network: 192.0.2.11/24
problems:
  description: What is wrong with the host; empty when it is fit.
  returned: always
  type: list
  elements: str
time:
  description: The host's clock, seconds since 1970.
  returned: always
  type: float
"""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.host_check import (
    MIB,
    Limits,
    Listener,
    Observed,
    Wanted,
    interface_of,
    problems,
    ssh_connection,
)

TCP_LISTEN = "0A"
# The address of the relay of a proxy's route (RELAY in plan/route.py), as the kernel writes it. The relay has
# PostgreSQL's port there, where PostgreSQL does not listen: on a host that is proxy and member they are neighbours.
RELAY = f"{int.from_bytes(socket.inet_aton('127.0.0.2'), sys.byteorder):08X}"


def os_release() -> dict[str, str]:
    pairs = (line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return {key: value.strip('"') for key, value in pairs}


def memory_mb() -> int:
    """MemTotal is what the kernel uses; a container shows its host's, which is why a user can set a size."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) // 1024
    return 0


def listening() -> dict[str, int]:
    """Inode of each listening TCP socket -> its port. Without the tier's own relay."""
    found: dict[str, int] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].rsplit(":", 1)
            if fields[3] == TCP_LISTEN and address != RELAY:
                found[fields[9]] = int(port, 16)
    return found


def listeners(ports: set[int]) -> list[Listener]:
    """Who listens on the given ports. Processes may end while we look: such a one does not listen any more."""
    sockets = {f"socket:[{inode}]": port for inode, port in listening().items() if port in ports}
    owners = dict.fromkeys(sockets.values(), "")
    if sockets:
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                for descriptor in (process / "fd").iterdir():
                    port = sockets.get(str(descriptor.readlink()))
                    if port is not None:
                        owners[port] = (process / "comm").read_text().strip()
            except OSError:
                continue
    return [Listener(port, process) for port, process in owners.items()]


def existing_parent(path: str) -> Path:
    candidate = Path(path)
    while not candidate.exists():
        candidate = candidate.parent
    return candidate


def unresolved(names: list[str]) -> list[str]:
    bad = []
    for name in names:
        try:
            socket.getaddrinfo(name, None)
        except OSError:
            bad.append(name)
    return bad


def data_directory_state(path: str) -> str:
    """Patroni's configuration is written before Patroni makes any data, so data without it is somebody else's."""
    if not path or not (Path(path) / "PG_VERSION").exists():
        return "absent"
    return "ours" if Path("/etc/patroni/config.yml").exists() else "foreign"


def environments() -> Iterator[dict[str, str]]:
    """Of this process and those above it: sudo clears what sshd has set."""
    process = os.getpid()
    while process > 1:
        try:
            yield dict(
                item.split("=", 1)
                for item in Path(f"/proc/{process}/environ").read_text(errors="replace").split("\0")
                if "=" in item
            )
            # After the name in brackets, which may hold anything: state, parent.
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return


def in_container() -> bool:
    return Path("/run/systemd/container").exists() or "container" in os.environ


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "address": {"type": "str", "default": ""},
            "supported": {"type": "dict", "required": True},
            "ports": {"type": "list", "elements": "dict", "default": []},
            "memory_min_mb": {"type": "int", "default": 512},
            "disk_free_min_mb": {"type": "int", "default": 1024},
            "disk_path": {"type": "path", "default": "/var/lib"},
            "data_directory": {"type": "path", "default": ""},
            "clock_skew_max": {"type": "float", "default": 1.0},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    release = os_release()
    ip = module.get_bin_path("ip")
    addresses = module.run_command([ip, "-json", "address", "show"])[1] if ip else ""
    wanted = [Wanted(int(p["port"]), str(p["process"]), str(p["variable"])) for p in params["ports"]]
    memory = memory_mb()
    disk = shutil.disk_usage(existing_parent(params["disk_path"]))
    observed = Observed(
        os_id=release.get("ID", ""),
        os_version=release.get("VERSION_ID", ""),
        os_name=release.get("PRETTY_NAME", "an unknown system"),
        memory_mb=memory,
        disk_free_mb=disk.free // MIB,
        listeners=listeners({w.port for w in wanted}),
        unresolved=unresolved([socket.gethostname()]),
        data_directory_state=data_directory_state(params["data_directory"]),
    )
    limits = Limits(
        supported=params["supported"],
        memory_mb=params["memory_min_mb"],
        disk_free_mb=params["disk_free_min_mb"],
        ports=wanted,
        data_directory=params["data_directory"],
    )
    module.exit_json(
        changed=False,
        facts={
            "memory_mb": memory,
            "cores": os.cpu_count() or 1,
            "disk_mb": disk.total // MIB,
            "container": in_container(),
            **ssh_connection(environments()),
            **interface_of(params["address"], addresses),
        },
        problems=problems(observed, limits),
        time=time.time(),
    )


if __name__ == "__main__":
    main()
