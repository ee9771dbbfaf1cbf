#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What TLS costs: transactions per second with it and without, through the shipped endpoints, in one run.

Two clusters on the same computer, made alike but for `tls_enabled`; both stand all the time, and rounds alternate
between them. `connect` is logins a second (a new connection for each transaction), where the handshake shows most.
"""

from __future__ import annotations

import itertools
from typing import Any

from common import Lab, lab, median, parser, report, say
from pools import Target, ratio

CASES = [("select-only", 16), ("select-only", 400), ("tpc-b", 16)]
TRANSACTIONS = {"select-only": 20_000, "tpc-b": 2_000}
LOGINS = 400


def target(hosts: Lab) -> Target:
    connection = hosts.connection("app", "app", "primary")
    return Target(connection["host"], int(connection["port"]), connection["password"])


def figures(rounds: int, targets: dict[str, Target]) -> dict[tuple[str, int, str], list[float]]:
    found: dict[tuple[str, int, str], list[float]] = {}
    for turn in range(rounds):
        say(f"round {turn + 1} of {rounds}")
        for (script, clients), (way, to) in itertools.product(CASES, targets.items()):
            got = to.tps(script, "simple", clients, TRANSACTIONS[script])
            if isinstance(got, str):
                raise SystemExit(f"{script}, {clients} clients, {way}: {got}")
            found.setdefault((script, clients, way), []).append(got)
        for way, to in targets.items():
            got = to.tps("select-only", "simple", 4, LOGINS, "-C")
            if isinstance(got, str):
                raise SystemExit(f"connect, {way}: {got}")
            found.setdefault(("connect", 4, way), []).append(got)
    return found


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--rounds", type=int, default=None, help="default 3; with --full 7")
    given = options.parse_args()
    rounds = given.rounds or (7 if given.full else 3)
    # Small enough for two clusters on one computer.
    common = {"postgresql_memory_mb": 2048}
    with (
        lab(variables={**common, "tls_enabled": True}) as encrypted,
        lab(variables={**common, "tls_enabled": False}) as clear,
    ):
        targets = {}
        for name, hosts in (("on", encrypted), ("off", clear)):
            hosts.up()
            say(f"site.yml, TLS {name}")
            hosts.playbook("site.yml")
            targets[name] = target(hosts)
            made = targets[name].pgbench("-i", "-q", "-s", "20")
            if made.returncode:
                raise SystemExit(f"pgbench -i: {made.stderr}")
        found = figures(rounds, targets)
    rows: list[dict[str, Any]] = []
    for script, clients in [*CASES, ("connect", 4)]:
        on, off = (median(found[script, clients, way]) for way in ("on", "off"))
        rows.append({"what": script, "clients": clients, "TLS on": on, "TLS off": off, "on / off": ratio(on, off)})
    report(rows, given.json)


if __name__ == "__main__":
    main()
