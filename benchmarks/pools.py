#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Transactions per second on each way to the primary, side by side in one run.

pgbench runs on this computer, which the lab's hosts share. The ways:
  direct           straight to the primary's PostgreSQL
  haproxy          HAProxy's plain port (endpoint primary_direct)
  pgbouncer alone  a PgBouncer on the proxy host with the shipped one's settings, straight to the primary's address
  shipped          endpoint primary
  via haproxy      the same PgBouncer once more, but to HAProxy's port: what `shipped` would be with the usual hop
Rounds are interleaved, so that whatever else the computer does falls on all of them; figures are medians.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Any

from common import Lab, lab, median, parser, report, say
from reference import Reference, pgbouncer

SCRIPTS = {"select-only": ["-S"], "tpc-b": []}
# Of all clients together, in one run of pgbench; ten times as many with --full.
TRANSACTIONS = {"select-only": 20_000, "tpc-b": 2_000}
TPS = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)


class Target:
    """Where pgbench connects to."""

    def __init__(self, host: str, port: int, password: str) -> None:
        self.host, self.port, self.password = host, port, password

    def pgbench(self, *options: str, timeout: int = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pgbench", "-h", self.host, "-p", str(self.port), "-U", "app", *options, "app"],
            env={**os.environ, "PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "60"},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def tps(self, script: str, protocol: str, clients: int, transactions: int, *options: str) -> float | str:
        """The figure, or pgbench's own word on why there is none.

        A number of transactions and not a time: pgbench's time includes connecting, and 2,000 scram logins take longer.
        """
        each = max(1, transactions // clients)
        how = ["-n", *SCRIPTS[script], "-M", protocol, "-c", str(clients), "-j", "2", "-t", str(each), *options]
        done = self.pgbench(*how)
        found = TPS.search(done.stdout)
        if done.returncode == 0 and found:
            return float(found.group(1))
        return next((line.strip() for line in done.stderr.splitlines() if "FATAL" in line), done.stderr.strip()[-200:])


def ways(hosts: Lab, alone: Reference, hop: Reference) -> dict[str, Target]:
    shipped, plain = (hosts.connection("app", "app", endpoint) for endpoint in ("primary", "primary_direct"))
    proxy, password = shipped["host"], shipped["password"]
    return {
        "direct": Target(alone.primary, 5432, password),
        "haproxy": Target(proxy, int(plain["port"]), password),
        "pgbouncer alone": Target(proxy, alone.port, password),
        "shipped": Target(proxy, int(shipped["port"]), password),
        "via haproxy": Target(proxy, hop.port, password),
    }


def measure(
    targets: dict[str, Target], cases: list[tuple[str, str, int]], rounds: int, times: int
) -> list[dict[str, Any]]:
    figures: dict[tuple[str, str, int, str], list[float]] = {}
    reasons: dict[tuple[str, str, int, str], str] = {}
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        for case in cases:
            for way, target in targets.items():
                if (*case, way) in reasons:
                    continue
                got = target.tps(*case, TRANSACTIONS[case[0]] * times)
                if isinstance(got, str):
                    reasons[*case, way] = got
                    say(f"{case} {way}: {got}")
                else:
                    figures.setdefault((*case, way), []).append(got)
    rows: list[dict[str, Any]] = []
    for case in cases:
        middle = {way: median(figures.get((*case, way), [])) for way in targets}
        for way, tps in middle.items():
            rows.append(
                {
                    "script": case[0],
                    "protocol": case[1],
                    "clients": case[2],
                    "way": way,
                    "tps": tps,
                    "of direct": ratio(tps, middle["direct"]),
                    "of pgbouncer alone": ratio(tps, middle["pgbouncer alone"]),
                    "why not": reasons.get((*case, way), ""),
                }
            )
    return rows


def ratio(value: float | None, reference: float | None) -> float | None:
    return value / reference if value is not None and reference else None


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--clients", default="16,400,2000")
    options.add_argument("--rounds", type=int, default=None, help="default 3; with --full 5")
    options.add_argument("--scale", type=int, default=20)
    given = options.parse_args()
    protocols = ["simple", "prepared"] if given.full else ["simple"]
    cases = [
        (script, protocol, int(clients))
        for script in SCRIPTS
        for protocol in protocols
        for clients in given.clients.split(",")
    ]
    # 400 clients straight to PostgreSQL are to be compared with 400 on the pools; 2,000 cannot be.
    with lab(variables={"postgresql_max_connections": 500, "postgresql_memory_mb": 3072}) as hosts:
        hosts.up()
        say("site.yml")
        hosts.playbook("site.yml")
        with pgbouncer(hosts, "alone", 6492, None) as alone, pgbouncer(hosts, "hop", 6493, 5000) as hop:
            targets = ways(hosts, alone, hop)
            made = targets["haproxy"].pgbench("-i", "-q", "-s", str(given.scale))
            if made.returncode:
                raise SystemExit(f"pgbench -i: {made.stderr}")
            rounds = given.rounds or (5 if given.full else 3)
            report(measure(targets, cases, rounds, 10 if given.full else 1), given.json)


if __name__ == "__main__":
    main()
