#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads per second on the endpoint `replica` with 1, 2, 3 and 4 replicas, and each one's share of them.

All replicas stand all the time, each held to the same share of one core, or this computer's cores and not the replicas
would be what is measured; those that do not take part are set aside in HAProxy, as a drained replica is. They use up
their share all the same, in a loop that comes after everything else on their host: two busy threads of one physical
core are slower than one, so otherwise each row would have a slower computer than the one before. The query is one that
a replica works on for some milliseconds. There are as many clients for each replica that takes part: a host
with a share of a core and many busy processes has nothing left to answer checks with. Rounds are interleaved; figures
are medians. `of linear` is throughput against that of one replica times their number.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from common import Lab, lab, parser, report, say
from pools import TPS, Target
from reference import leader

QUERY = "SELECT count(*) FROM generate_series(1, 20000);\n"
REPLICAS = 4
# Not pg_stat_database: a backend hands in its transactions with what it read of tables, and this query reads of none.
COUNT = """
cd /
runuser -u postgres -- psql -d app -At <<'SQL'
SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) FROM generate_series%';
SQL
"""
# Of what the host's own processes leave; it ends by itself if nobody ends it.
BURN = """
systemctl stop burn.service 2> /dev/null || true
[ -z "{burns}" ] || systemd-run --quiet --unit burn -p CPUWeight=1 -p Nice=19 -p RuntimeMaxSec=900 \
  sh -c 'while :; do :; done'
"""


def take_part(hosts: Lab, replicas: list[str], chosen: list[str]) -> None:
    commands = "; ".join(
        f"set server replica/{name} state {'ready' if name in chosen else 'maint'}" for name in replicas
    )
    for proxy in hosts.groups["proxy"]:
        if refused := hosts.haproxy(proxy, commands).strip():
            raise SystemExit(f"{proxy}: HAProxy says to `{commands}`: {refused}")
    hosts.shells({name: BURN.format(burns="" if name in chosen else "yes") for name in replicas})


def reads(hosts: Lab, clients: int, seconds: int) -> float:
    where = hosts.connection("app", "app", "replica")
    with tempfile.TemporaryDirectory() as directory:
        script = Path(directory) / "read.sql"
        script.write_text(QUERY)
        how = ["-n", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(script)]
        done = Target(where["host"], int(where["port"]), where["password"]).pgbench(*how, timeout=seconds + 60)
    found = TPS.search(done.stdout)
    if done.returncode or not found:
        raise SystemExit(f"pgbench: {done.stderr.strip()[-400:]}")
    return float(found[1])


def counts(hosts: Lab, replicas: list[str]) -> dict[str, int]:
    return {name: int(hosts.shell(name, COUNT)) for name in replicas}


def one(hosts: Lab, replicas: list[str], number: int, clients: int, seconds: int) -> tuple[float, list[float]]:
    """Reads a second, and the share of each replica that takes part."""
    chosen = replicas[:number]
    take_part(hosts, replicas, chosen)
    time.sleep(6)  # for the pools to follow, with logins to hosts that have little of a core
    reads(hosts, clients, 4)
    before = counts(hosts, chosen)
    figure = reads(hosts, clients, seconds)
    served = [after - before[name] for name, after in counts(hosts, chosen).items()]
    if not all(served):
        shown = ", ".join(f"{name} {number}" for name, number in zip(chosen, served, strict=True))
        raise SystemExit(f"a replica served no reads: {shown}; too slow to pass its checks? Raise --cpu-percent")
    say(f"{number} replicas: {figure:.0f} reads a second")
    return figure, [count / sum(served) for count in served]


def rows(figures: dict[int, list[tuple[float, list[float]]]]) -> list[dict[str, Any]]:
    """A line for each number of replicas, from the rounds' throughput and shares. Pure."""
    alone = statistics.median(figure for figure, _ in figures[1])
    lines = []
    for number, found in figures.items():
        middle = statistics.median(figure for figure, _ in found)
        shares = [statistics.median(column) for column in zip(*(shares for _, shares in found), strict=True)]
        lines.append(
            {
                "replicas": number,
                "reads a second": middle,
                "of linear": middle / (alone * number),
                "shares": ", ".join(f"{share:.0%}" for share in shares),
            }
        )
    return lines


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--rounds", type=int, default=None, help="default 3; with --full 5")
    options.add_argument("--clients", type=int, default=4, help="for each replica")
    options.add_argument("--seconds", type=int, default=10, help="of each measurement")
    options.add_argument("--cpu-percent", type=int, default=30, help="of one core, for each replica")
    given = options.parse_args()
    figures: dict[int, list[tuple[float, list[float]]]] = {}
    with lab(REPLICAS + 3) as hosts:
        hosts.up()
        say("site.yml")
        hosts.playbook("site.yml")
        primary = leader(hosts)
        replicas = [name for name in hosts.groups["postgres"] if name != primary]
        for name in replicas:
            hosts.output(
                "playbooks/lab_fault.yml",
                *("-e", f"host={name}", "-e", "fault=slowed", "-e", f"cpu_percent={given.cpu_percent}"),
            )
        for turn in range(given.rounds or (5 if given.full else 3)):
            say(f"round {turn + 1}")
            for number in range(1, REPLICAS + 1):
                figures.setdefault(number, []).append(
                    one(hosts, replicas, number, number * given.clients, given.seconds)
                )
    report(rows(figures), given.json)


if __name__ == "__main__":
    main()
