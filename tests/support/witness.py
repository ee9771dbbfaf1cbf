"""Sees what anybody may see while playbooks run, and remembers every secret that there was meanwhile."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tier import Tier

# As an account without any right: command lines of all processes, and of environments those that it may read.
SAMPLER = """
import os, select, sys
seen = set()
while not select.select([sys.stdin], [], [], 0.1)[0]:
    for process in filter(str.isdigit, os.listdir("/proc")):
        for file in ("cmdline", "environ"):
            try:
                with open(f"/proc/{process}/{file}", "rb") as opened:
                    seen.add(opened.read().replace(b"\\0", b" "))
            except OSError:
                pass
sys.stdout.buffer.write(b"\\n".join(seen))
"""
# Where files are that somebody wrote. An account without any right looks: a file below a closed folder is not open.
FOLDERS = "/etc /var /usr/local /tmp /run /opt /srv /home /root /dev/shm"


class Witness:
    def __init__(self, tier: Tier, hosts: Iterable[str]) -> None:
        self.tier = tier
        self.hosts = list(hosts)
        self.secrets: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self._samplers: dict[str, subprocess.Popen[str]] = {}
        self.note_secrets()

    # What is to be searched for

    def note_secrets(self) -> None:
        """The secrets as they are now, by what they are; those of before stay."""
        folder = self.tier.inventory / "secrets"
        stored = json.loads((folder / "passwords.json").read_text())
        for kind in ("users", "services"):
            for name, password in stored[kind].items():
                self.secrets.setdefault(password, f"password of {name}")
        for file in sorted(folder.rglob("*.key")):
            for number, line in enumerate(key_lines(file)):
                self.secrets.setdefault(line, f"line {number + 1} of {file.relative_to(folder)}")

    # What is looked at

    def heard(self, what: str, text: str) -> None:
        self.outputs[what] = text

    def watch(self) -> None:
        """Begin to sample the process lists."""
        for host in self.hosts:
            command = f"runuser -u nobody -- python3 -c {shlex.quote(SAMPLER)}"
            self._samplers[host] = subprocess.Popen(
                self.tier.ssh(host, command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
            )

    def processes(self) -> dict[str, str]:
        """What has been seen of the process lists by now. Goes on watching."""
        seen = {}
        for host, sampler in self._samplers.items():
            seen[f"process list of {host}"] = sampler.communicate("\n", timeout=30)[0]
            assert sampler.returncode == 0, host
        self.watch()
        return seen

    def stop(self) -> None:
        for sampler in self._samplers.values():
            sampler.communicate("\n", timeout=30)

    def logs(self) -> dict[str, str]:
        """The journal and all that else is logged."""
        command = (
            "journalctl --no-pager --all --output=verbose; "
            "find /var/log -type f -not -path '*/journal/*' -exec cat '{}' +"
        )
        return {f"logs of {host}": self.tier.feed(host, command, "") for host in self.hosts}

    def open_files(self, secrets: Iterable[str]) -> list[str]:
        """Files of hosts with one of these in them that everybody may read."""
        found = []
        for host in self.hosts:
            # Status 2 says that some folder is closed, which is well; that it looks at all is tested with a plant.
            command = f"cd /; runuser -u nobody -- env LC_ALL=C grep -rslaF -D skip -f - {FOLDERS} || true"
            found += [f"{host}:{path}" for path in self.tier.feed(host, command, "\n".join(secrets)).splitlines()]
        return found


def key_lines(file: Path) -> list[str]:
    """Lines of a private key that no other key has: all but the armour and the short one at the end."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("-----")]
    assert len(lines) > 1
    return lines[:-1]


def hits(texts: Mapping[str, str], secrets: Mapping[str, str]) -> list[str]:
    """Where which secrets are."""
    return [f"{what} in {where}" for where, text in texts.items() for secret, what in secrets.items() if secret in text]
