"""One host of a lab: its files, its start and its end.

A host is an overlay over the base image, mounted in a mount namespace that only its own processes share. When the last
of them is gone, however it went, the mount is gone too: there is no stale mount to clean up.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.lab.cgroup import Group
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.command import LabError, run
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.network import Network

ADMIN_ID = 1000
START_TIMEOUT = 60
STOP_TIMEOUT = 30


@dataclass(frozen=True)
class Host:
    name: str
    index: int
    net: Network
    state: Path

    @property
    def address(self) -> str:
        return self.net.address(self.index)

    @property
    def directory(self) -> Path:
        return self.state / "hosts" / self.name

    @property
    def log(self) -> Path:
        return self.directory / "console.log"

    @property
    def record(self) -> dict[str, str]:
        """What the host was made with. Written last, so a host without it was never finished."""
        try:
            return dict(json.loads((self.directory / "host.json").read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def files(self, nameservers: Iterable[str], authorized_key: str) -> dict[str, str]:
        """What makes this host different from the image, path by path. Pure."""
        return {
            "etc/hostname": f"{self.name}\n",
            "etc/machine-id": hashlib.sha256(f"{self.net.name}/{self.name}".encode()).hexdigest()[:32] + "\n",
            "etc/resolv.conf": "".join(f"nameserver {server}\n" for server in nameservers),
            "etc/systemd/network/10-host0.network": (
                "[Match]\nName=host0\n\n[Network]\n"
                f"Address={self.address}/{self.net.subnet.prefixlen}\nGateway={self.net.gateway}\n"
                "LinkLocalAddressing=no\nIPv6AcceptRA=no\nLLMNR=no\n"
            ),
            "home/admin/.ssh/authorized_keys": authorized_key,
        }

    def prepare(self, image: Path, nameservers: Iterable[str], authorized_key: str) -> None:
        """Make the overlay's directories and the host's own files; a host that was begun only is begun again."""
        if self.directory.exists():
            shutil.rmtree(self.directory)
        upper = self.directory / "upper"
        for path in (upper, self.directory / "work", self.directory / "root"):
            path.mkdir(parents=True)
        self.write_files(nameservers, authorized_key)
        home = upper / "home/admin"
        for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
            os.chown(path, ADMIN_ID, ADMIN_ID)
        (home / ".ssh").chmod(0o700)
        home.chmod(0o700)
        ssh = upper / "etc/ssh"
        ssh.mkdir()
        key = ssh / "ssh_host_ed25519_key"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", str(key))
        self._write("host.json", json.dumps({"index": self.index, "image": str(image)}))

    def write_files(self, nameservers: Iterable[str], authorized_key: str) -> None:
        """Only while the host does not run: an overlay must not change underneath its mount."""
        for path, text in self.files(nameservers, authorized_key).items():
            target = self.directory / "upper" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)

    @property
    def host_key(self) -> str:
        """The public key, as known_hosts wants it: algorithm and key without the comment."""
        text = (self.directory / "upper/etc/ssh/ssh_host_ed25519_key.pub").read_text()
        return " ".join(text.split()[:2])

    def command(self) -> list[str]:
        """The nspawn command. nspawn makes the network namespace and both ends of the wire, and takes them away."""
        return [
            "systemd-nspawn",
            "--quiet",
            "--settings=no",
            "--boot",
            f"--directory={self.directory}/root",
            f"--machine={self.net.machine(self.index)}",
            f"--hostname={self.name}",
            f"--network-bridge={self.net.bridge}",
            # A file shared by all hosts, so that a running host learns of a new one.
            f"--bind-ro={self.state}/hosts.txt:/etc/hosts",
            "--register=no",
            "--keep-unit",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            "--console=pipe",
            "--kill-signal=SIGRTMIN+3",
        ]

    def start(self, group: Group) -> subprocess.Popen[bytes]:
        """Start the host and return at once; wait_ready says when it is up. The process lives as long as the host."""
        image = self.record["image"]
        overlay = f"lowerdir={image},upperdir={self.directory}/upper,workdir={self.directory}/work"
        front, entry = group.entry()
        lines = [
            "set -e",
            *entry,
            shlex.join(["mount", "-t", "overlay", "overlay", "-o", overlay, f"{self.directory}/root"]),
            f"exec {shlex.join(self.command())}",
        ]
        # Nothing of the caller's stays with the host: no terminal, no open file, no session.
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*front, "unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C.UTF-8"},
            )

    def answers(self, timeout: float = 1) -> bool:
        """Whether sshd greets."""
        try:
            with socket.create_connection((self.address, 22), timeout=timeout) as connection:
                connection.settimeout(timeout)
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False

    def wait_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            ended = process.poll() is not None
            if ended or time.monotonic() > deadline:
                state = "ended right after its start" if ended else f"does not answer ssh after {START_TIMEOUT} s"
                raise LabError(f"host {self.name} ({self.address}) {state}; {self.log} ends with:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
        except FileNotFoundError:
            return "(nothing)"

    def stop(self, group: Group) -> None:
        """Shut the host down as its own `poweroff` would, and kill what does not end in time."""
        leader = self._leader(group)
        if leader:
            os.kill(leader, 15)
            group.wait_empty(STOP_TIMEOUT)
        group.kill()

    def _leader(self, group: Group) -> int | None:
        """The nspawn process: it turns SIGTERM into a shutdown of the host's own systemd."""
        for procs in group.path.rglob("cgroup.procs"):
            for pid in procs.read_text().split():
                try:
                    command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                except FileNotFoundError:
                    continue
                if (
                    command[0].endswith(b"systemd-nspawn")
                    and f"--machine={self.net.machine(self.index)}".encode() in command
                ):
                    return int(pid)
        return None

    def _write(self, name: str, text: str) -> None:
        temporary = self.directory / f".{name}"
        temporary.write_text(text)
        temporary.rename(self.directory / name)


def nameservers(etc: Path = Path("/etc"), run_directory: Path = Path("/run")) -> list[str]:
    """The name servers of this machine that its hosts can reach: a stub on loopback they cannot."""
    found: list[str] = []
    for path in (etc / "resolv.conf", run_directory / "systemd/resolve/resolv.conf"):
        try:
            lines = path.read_text().splitlines()
        except FileNotFoundError:
            continue
        found += [line.split()[1] for line in lines if line.startswith("nameserver ") and len(line.split()) > 1]
    return list(dict.fromkeys(server for server in found if not server.startswith("127.") and ":" not in server))


def hosts_file(net: Network, hosts: Iterable[tuple[str, int]]) -> str:
    """/etc/hosts of every host of the lab. Pure."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", f"{net.gateway} lab-gateway"]
    lines += [f"{net.address(index)} {name}" for name, index in sorted(hosts, key=lambda host: host[1])]
    return "\n".join(lines) + "\n"


def known_hosts_file(net: Network, keys: Iterable[tuple[str, int, str]]) -> str:
    """known_hosts of the lab: by address, as Ansible connects, and by name. Pure."""
    rows = sorted(keys, key=lambda host: host[1])
    return "".join(f"{net.address(index)},{name} {key}\n" for name, index, key in rows)
