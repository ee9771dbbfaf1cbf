# SPDX-License-Identifier: Apache-2.0
"""etcdctl, which is on every member of etcd, and what it takes to start a member that joins a running cluster."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.scale.etcd import EtcdMember, parse_members

# Below /run: gone at the latest when the host starts anew. It sorts after the role's own drop-in, whose values it
# covers.
JOIN_DROPIN = Path("/run/systemd/system/etcd.service.d/zz-pgtier-join.conf")
JOIN_ENVIRONMENT = Path("/run/pgtier-etcd-join")


class EtcdError(Exception):
    """A command failed; the text says which, and what it said."""


@dataclass(frozen=True)
class Etcdctl:
    endpoints: Sequence[str]
    cafile: str = ""
    certfile: str = ""
    keyfile: str = ""

    def members(self) -> list[EtcdMember]:
        return parse_members(json.loads(self._run("member", "list", "--write-out=json")))

    def healthy(self, urls: Sequence[str]) -> set[str]:
        """Which of these client URLs belong to a member that can commit something now."""
        if not urls:
            return set()
        done = self._execute(["endpoint", "health", "--write-out=json"], urls)
        try:
            answers: list[dict[str, Any]] = json.loads(done.stdout)
        except ValueError:
            raise EtcdError(f"etcdctl endpoint health: {done.stderr.strip() or 'no answer'}") from None
        return {str(answer["endpoint"]) for answer in answers if answer.get("health")}

    def add_learner(self, name: str, peer_url: str) -> None:
        self._run("member", "add", name, "--learner", f"--peer-urls={peer_url}")

    def promote(self, member: EtcdMember) -> str:
        """What stands in the way; empty once it has a vote."""
        done = self._execute(["member", "promote", member.hex_id], self.endpoints)
        return "" if done.returncode == 0 else last_line(done.stderr)

    def remove(self, member: EtcdMember) -> None:
        self._run("member", "remove", member.hex_id)

    def _run(self, *arguments: str) -> str:
        done = self._execute(arguments, self.endpoints)
        if done.returncode != 0:
            raise EtcdError(
                f"etcdctl {' '.join(arguments)} at {', '.join(self.endpoints)}: {last_line(done.stderr)}. "
                "See `systemctl status etcd` on these hosts"
            )
        return done.stdout

    def _execute(self, arguments: Sequence[str], endpoints: Sequence[str]) -> subprocess.CompletedProcess[str]:
        files = {"--cacert": self.cafile, "--cert": self.certfile, "--key": self.keyfile}
        options = [f"{option}={path}" for option, path in files.items() if path]
        return command(["etcdctl", f"--endpoints={','.join(endpoints)}", *options, *arguments], timeout=30)


def command(arguments: Sequence[str], timeout: float = 90) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, check=False)
    except FileNotFoundError:
        raise EtcdError(f"{arguments[0]} is missing on this host: its packages come with the role system") from None
    except subprocess.TimeoutExpired:
        raise EtcdError(f"{arguments[0]} was not done after {timeout:g} s") from None


def systemctl(*arguments: str) -> None:
    done = command(["systemctl", *arguments])
    if done.returncode != 0:
        raise EtcdError(f"systemctl {' '.join(arguments)}: {last_line(done.stderr)}. See `journalctl -u etcd`")


def last_line(text: str) -> str:
    """etcdctl's own words: the last line, without the log line that goes before."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def set_aside(data_directory: Path) -> None:
    """Data that a new member must not begin with. One generation is kept."""
    former = data_directory.with_name(data_directory.name + ".former")
    command(["rm", "-rf", "--", str(former)])
    data_directory.rename(former)
    made = command(["install", "-d", "-o", "etcd", "-g", "etcd", "-m", "0700", str(data_directory)])
    if made.returncode != 0:
        raise EtcdError(f"{data_directory}: {last_line(made.stderr)}")


def start_joining(initial_cluster: str) -> None:
    """Start etcd as one that joins. The role's files say how a cluster begins, and are left as they are."""
    JOIN_ENVIRONMENT.write_text(f"ETCD_INITIAL_CLUSTER={initial_cluster}\nETCD_INITIAL_CLUSTER_STATE=existing\n")
    JOIN_DROPIN.parent.mkdir(parents=True, exist_ok=True)
    JOIN_DROPIN.write_text(f"[Service]\nEnvironmentFile=-{JOIN_ENVIRONMENT}\n")
    systemctl("daemon-reload")
    systemctl("reset-failed", "etcd.service")
    # Its notification comes when it serves, which a learner may not do for long: it is waited for below.
    systemctl("restart", "--no-block", "etcd.service")


def forget_joining() -> None:
    """What was needed for the first start."""
    if JOIN_DROPIN.exists() or JOIN_ENVIRONMENT.exists():
        JOIN_DROPIN.unlink(missing_ok=True)
        JOIN_ENVIRONMENT.unlink(missing_ok=True)
        systemctl("daemon-reload")


def wait(seconds: float, attempt: Any) -> str:
    """Repeat until nothing stands in the way; what does, once the time is over."""
    end = time.monotonic() + seconds
    while (problem := str(attempt())) and time.monotonic() < end:
        time.sleep(0.5)
    return problem
