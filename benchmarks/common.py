# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks share: a lab of their own, commands on its hosts, medians, and the way a result is shown."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import yaml
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.pgtier.cluster.plugins.module_utils import haproxy  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker, load  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Ledger  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import network as labs  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.build import build_plan  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import Inventory  # noqa: E402
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan  # noqa: E402

HAPROXY_SOCKET = "/run/haproxy/admin.sock"
RECAP = re.compile(r"^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def run(command: Sequence[str], **options: Any) -> str:
    """The command's output; what it said when it fails."""
    done: subprocess.CompletedProcess[str] = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise SystemExit(
            f"{shlex.join(command)}\nended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
        )
    return done.stdout


class Lab:
    """A lab of a benchmark's own: the inventory `lab` in a temporary directory, with more replicas if asked for.

    Its name derives from that directory, so it shares nothing with a lab that is running but the cached image. The last
    `spare` hosts run, and the inventory does not know them as members until `enlist` says so.
    """

    def __init__(self, directory: Path, hosts: int, variables: dict[str, object], spare: int = 0) -> None:
        if hosts < 5:
            raise SystemExit(f"--hosts {hosts}: the lab has 5 hosts, and more can be added, not fewer")
        self.inventory = directory / "inventory"
        shutil.copytree(ROOT / "inventories" / "lab", self.inventory, ignore=shutil.ignore_patterns("secrets"))
        listing = self.inventory / "hosts.yml"
        self._groups = groups = yaml.safe_load(listing.read_text())["all"]["children"]
        for index in range(6, hosts + 1):
            name = f"pg{index - 2}"
            groups["lab"]["hosts"][name] = {"lab_index": index}
            if index <= hosts - spare:
                groups["postgres"]["hosts"][name] = None
        self._list()
        self.name = f"bench-{directory.name[-8:].lower().replace('_', 'x')}"
        self.variables = json.dumps({"lab_name": self.name, **variables})
        self.lab_network = network = labs.network(self.name, None)
        self.addresses = {
            host: network.address(content["lab_index"]) for host, content in groups["lab"]["hosts"].items()
        }
        self.state = Path(labs.state_directory(dict(os.environ), self.name))

    def _list(self) -> None:
        (self.inventory / "hosts.yml").write_text(yaml.safe_dump({"all": {"children": self._groups}}))
        self.groups = {group: list(content["hosts"]) for group, content in self._groups.items()}

    def enlist(self, host: str) -> None:
        """Make a spare host a member, as far as the inventory goes."""
        self._groups["postgres"]["hosts"][host] = None
        self._list()

    def plan(self) -> Plan:
        """The plan of these hosts, with defaults for all but their addresses."""
        variables = {host: {"ansible_host": address} for host, address in self.addresses.items()}
        return build_plan(Inventory({group: tuple(names) for group, names in self.groups.items()}, variables))

    def playbook(self, book: str, *options: str) -> tuple[float, dict[str, int]]:
        """Seconds it took, and how many tasks changed something on each host."""
        begin = time.monotonic()
        output = self.output(book, *options)
        seconds = time.monotonic() - begin
        changed = {host: int(count) for host, _, count, _, _ in RECAP.findall(output)}
        if not changed:
            raise SystemExit(f"{book} printed no recap:\n{output[-2000:]}")
        return seconds, changed

    def output(self, book: str, *options: str) -> str:
        """All that a playbook says."""
        return run(
            [
                self._program("ansible-playbook"),
                "-i",
                str(self.inventory),
                book,
                "-e",
                self.variables,
                *options,
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
            },
        )

    @staticmethod
    def _program(name: str) -> str:
        beside = Path(sys.executable).parent / name
        return str(beside) if beside.exists() else name

    def up(self) -> float:
        return self.playbook("playbooks/lab.yml")[0]

    def down(self) -> None:
        self.playbook("playbooks/lab.yml", "-e", "lab_state=absent")

    def shell(self, host: str, script: str) -> str:
        """Run `script` as root on `host`."""
        ssh = self.state / "ssh"
        options = [
            "-i",
            str(ssh / "id_ed25519"),
            "-o",
            f"UserKnownHostsFile={ssh / 'known_hosts'}",
            "-o",
            "LogLevel=ERROR",
        ]
        return run(
            ["ssh", *options, f"admin@{self.addresses[host]}", "sudo", "bash", "-euo", "pipefail", "-s"], input=script
        )

    def shells(self, scripts: dict[str, str]) -> None:
        """Run a script on each host, side by side."""
        with ThreadPoolExecutor(len(scripts)) as pool:
            for future in [pool.submit(self.shell, host, script) for host, script in scripts.items()]:
                future.result()

    def haproxy(self, proxy: str, command: str) -> str:
        """What the HAProxy of `proxy` answers. The client is the collection's, which wants nothing but Python there."""
        program = f"{inspect.getsource(haproxy)}\nprint(command({HAPROXY_SOCKET!r}, {command!r}), end='')\n"
        return self.shell(proxy, f"python3 -c {shlex.quote(program)}")

    def connection(self, database: str, user: str, endpoint: str) -> dict[str, str]:
        """Connection parameters from what site.yml leaves for programs, with the first of several hosts."""
        known = json.loads((self.inventory / "secrets" / "connections.json").read_text())
        parameters = conninfo_to_dict(known[database][user][endpoint])
        return {key: str(value) for key, value in parameters.items()} | {
            key: str(parameters[key]).split(",")[0] for key in ("host", "hostaddr", "port") if key in parameters
        }


@contextmanager
def lab(hosts: int = 5, variables: dict[str, object] | None = None, spare: int = 0) -> Iterator[Lab]:
    """A lab that is gone afterwards, whatever happens."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))
    with tempfile.TemporaryDirectory(prefix="pgtier-") as directory:
        made = Lab(Path(directory), hosts, variables or {}, spare)
        try:
            yield made
        finally:
            made.down()


def writing(conninfo: str, clients: int) -> AbstractContextManager[load.Load]:
    """Clients that write one transaction after the other, and look at every fifth time what they have written."""
    return load.running(load.Connections(conninfo, [conninfo] * clients, []), pause=0.0)


def figures(seen: Ledger) -> dict[str, Any]:
    """What clients saw, as columns."""
    return {
        "longest stall s": seen.longest_stall,
        "failed statements": len(seen.failures),
        "of them cached": sum("cached error" in failure.error for failure in seen.failures),
        "acknowledged": len(seen.writes),
        "lost": checker.lost(seen),
        "anomalies": sum(anomaly.number for anomaly in checker.check(seen)),
    }


def median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def number(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return str(value)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of the same keys as columns of text."""
    cells = [list(rows[0]), *[[number(value) for value in row.values()] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    made.add_argument(
        "--full", action="store_true", help="more rounds and all variants: as docs/benchmarks.md was made"
    )
    return made


def report(rows: Sequence[dict[str, Any]], path: Path | None) -> None:
    """Print the table; write it with what it was measured on when a path is given."""
    print(table(rows))
    if path:
        machine = {"cores": os.cpu_count(), "load_before_report": os.getloadavg()[0], "kernel": os.uname().release}
        path.write_text(json.dumps({"machine": machine, "figures": rows}, indent=2) + "\n")
