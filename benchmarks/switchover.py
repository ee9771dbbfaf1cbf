#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a planned switchover costs 50 clients: failed statements and the longest stall, beside what Patroni itself takes

Each client writes one row after the other on a connection that it keeps. Rounds are interleaved, on the same hosts.
  playbook  playbooks/switchover.yml, clients on the endpoint `primary`
  plain     patronictl, clients on the same endpoint
  patroni   patronictl, one client that knows all members and goes to whoever is the primary (libpq): Patroni's own time
"""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any

import psycopg
from common import Lab, lab, median, parser, report, say
from failover import SWITCHOVER, TABLE, Seen, client, settle
from psycopg.conninfo import make_conninfo
from reference import leader

SECONDS = 25


def switch(hosts: Lab, way: str) -> None:
    if way == "playbook":
        hosts.playbook("playbooks/switchover.yml")
    else:
        hosts.shell((primary := leader(hosts)), SWITCHOVER.format(leader=primary))


async def trial(hosts: Lab, way: str, conninfo: str, clients: int, run: int) -> Seen:
    over = time.monotonic() + SECONDS
    seen = Seen()
    tasks = [asyncio.create_task(client(number, conninfo, run, over, seen)) for number in range(clients)]
    await asyncio.sleep(3)
    await asyncio.to_thread(switch, hosts, way)
    await asyncio.gather(*tasks)
    return seen


def row(hosts: Lab, way: str, conninfo: str, clients: int, run: int) -> dict[str, Any]:
    settle(hosts)
    seen = asyncio.run(trial(hosts, way, conninfo, clients, run))
    settle(hosts)
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("select client, sequence from acknowledged where run = %s", (run,))
        kept = set(found.fetchall())
    say(f"{way}: {seen.stall():.2f} s, {dict(seen.errors)}")
    return {
        "way": way,
        "clients": clients,
        "longest stall s": seen.stall(),
        "failed statements": seen.errors.total(),
        "acknowledged": len(seen.acknowledged),
        "lost": len({(number, sequence) for _, number, sequence in seen.acknowledged} - kept),
    }


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    rows: list[dict[str, Any]] = []
    with lab() as hosts:
        hosts.up()
        say("site.yml")
        hosts.playbook("site.yml")
        endpoint = make_conninfo("", **hosts.connection("app", "app", "primary"), connect_timeout=60)
        members = [hosts.addresses[name] for name in hosts.groups["postgres"]]
        straight = make_conninfo(
            endpoint,
            host=",".join(members),
            port=",".join("5432" for _ in members),
            target_session_attrs="read-write",
            connect_timeout=2,
        )
        ways = {"playbook": (endpoint, given.clients), "plain": (endpoint, given.clients), "patroni": (straight, 1)}
        with psycopg.connect(endpoint, autocommit=True) as connection:
            connection.execute(TABLE)
        for _, (way, (conninfo, clients)) in itertools.product(range(given.rounds), ways.items()):
            rows.append(row(hosts, way, conninfo, clients, len(rows) + 1))
    report(sorted(rows, key=lambda figures: list(ways).index(figures["way"])), given.json)
    stalls = {way: median([one["longest stall s"] for one in rows if one["way"] == way]) or 0.0 for way in ways}
    print(f"\nbeyond what Patroni takes: {stalls['playbook'] - stalls['patroni']:.2f} s (medians)")
    if any(figures["lost"] for figures in rows):
        raise SystemExit("acknowledged rows were lost")


if __name__ == "__main__":
    main()
