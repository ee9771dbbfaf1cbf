"""What keeps a lab from coming up on this machine, all of it at once, before anything is changed."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.lab import wires
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.cgroup import find_tree
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError, run, run_json, succeeds
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import Network

PROGRAMS = {
    "ip": "iproute2",
    "mmdebstrap": "mmdebstrap",
    "mount": "mount",
    "nft": "nftables",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "unshare": "util-linux",
}
"""Program -> the Debian package that has it."""

HOST_MEMORY_MB = 384
HOST_DISK_MB = 512
IMAGE_DISK_MB = 1536


def missing_programs(found: set[str]) -> list[str]:
    """One problem with one line to paste. Pure."""
    missing = sorted(set(PROGRAMS) - found)
    if not missing:
        return []
    packages = " ".join(sorted({PROGRAMS[program] for program in missing}))
    return [f"missing programs: {', '.join(missing)}; install them: apt-get install --yes {packages}"]


def resource_problems(hosts: int, image: bool, memory_mb: int, disks: dict[str, tuple[Path, int]]) -> list[str]:
    """Room for so many more hosts, and for the image if it has to be built. Pure.

    `disks`: for each purpose, where it is and how many MB are free there.
    """
    problems = []
    memory = hosts * HOST_MEMORY_MB
    if memory > memory_mb:
        problems.append(
            f"memory: {hosts} more hosts need about {memory} MB, {memory_mb} MB are available; "
            "end other programs or list fewer hosts"
        )
    for purpose, needed in (
        ("hosts", hosts * HOST_DISK_MB),
        ("image", 0 if image else IMAGE_DISK_MB),
    ):
        path, free = disks[purpose]
        if needed > free:
            problems.append(
                f"disk: the {purpose} need about {needed} MB, {free} MB are free in {path}; "
                "make room or choose another place (XDG_STATE_HOME, XDG_CACHE_HOME)"
            )
    return problems


def available_memory_mb() -> int:
    match = re.search(r"^MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(), flags=re.MULTILINE)
    return int(match[1]) // 1024 if match else 0


def free_disk_mb(path: Path) -> int:
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    return shutil.disk_usage(existing).free // 2**20


def overlay_problem(path: Path) -> str | None:
    """Try it: whether this kernel has overlayfs, and takes this file system for the writable part."""
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    with tempfile.TemporaryDirectory(prefix=".pgtier-try-", dir=existing) as directory:
        for part in ("lower", "upper", "work", "root"):
            (Path(directory) / part).mkdir()
        options = f"lowerdir={directory}/lower,upperdir={directory}/upper,workdir={directory}/work"
        try:
            run("unshare", "--mount", "mount", "-t", "overlay", "overlay", "-o", options, f"{directory}/root")
        except LabError as error:
            return (
                f"overlayfs does not work on {existing}: {error}; load it (modprobe overlay), "
                "or set XDG_STATE_HOME to a directory on a local file system such as ext4 or xfs"
            )
    return None


def problems(net: Network, state: Path, cache: Path, new_hosts: int, image: bool) -> list[str]:
    """Everything that is wrong with this machine, for a lab that needs so many more running hosts."""
    if os.geteuid() != 0:
        return ["not root: a lab makes mounts, bridges and namespaces; run it with become (sudo)"]
    found = missing_programs({program for program in PROGRAMS if shutil.which(program)})
    if not succeeds("unshare", "--mount", "true"):
        found.append(
            "this process may not make a mount namespace (is it in a container?); run it on the machine itself"
        )
    elif overlay := overlay_problem(state):
        found.append(overlay)
    try:
        find_tree()
    except LabError as error:
        found.append(str(error))
    if shutil.which("ip"):
        found += wires.subnet_conflicts(net, run_json("ip", "-json", "route", "show", "table", "all"))
    disks = {"hosts": (state, free_disk_mb(state)), "image": (cache, free_disk_mb(cache))}
    return found + resource_problems(new_hosts, image or not new_hosts, available_memory_mb(), disks)


def removal_problems() -> list[str]:
    """Taking down needs less: what is missing could not have made a lab."""
    if os.geteuid() != 0:
        return ["not root: a lab's mounts and bridges are root's; run it with become (sudo)"]
    return missing_programs({program for program in PROGRAMS if program == "mmdebstrap" or shutil.which(program)})
