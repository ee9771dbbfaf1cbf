#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a planned switchover costs 50 clients: failed statements and the longest stall, beside what Patroni itself takes

Each client writes one row after the other on a connection that it keeps. Rounds are interleaved, on the same hosts.
  playbook  playbooks/switchover.yml, clients on the endpoint `primary`
  plain     patronictl, clients on the same endpoint
  patroni   patronictl, one client that knows all members and goes to whoever is the primary (libpq): Patroni's own time
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from common import Lab, Ledger, figures, lab, median, parser, report, say, writing
from psycopg.conninfo import make_conninfo
from reference import SWITCHOVER, leader
from settled import Members

SECONDS = 25


def switch(hosts: Lab, way: str) -> None:
    if way == "playbook":
        hosts.playbook("playbooks/switchover.yml")
    else:
        hosts.shell((primary := leader(hosts)), SWITCHOVER.format(leader=primary))


def trial(hosts: Lab, way: str, conninfo: str, clients: int) -> Ledger:
    with writing(conninfo, clients) as load:
        over = time.monotonic() + SECONDS
        time.sleep(3)
        switch(hosts, way)
        time.sleep(max(0.0, over - time.monotonic()))
    return load.report


def row(hosts: Lab, way: str, conninfo: str, clients: int) -> dict[str, Any]:
    Members(hosts).settle()
    seen = trial(hosts, way, conninfo, clients)
    Members(hosts).settle()
    say(f"{way}: {seen}")
    return {"way": way, "clients": clients, **figures(seen)}


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
        for _, (way, (conninfo, clients)) in itertools.product(range(given.rounds), ways.items()):
            rows.append(row(hosts, way, conninfo, clients))
    report(sorted(rows, key=lambda row: list(ways).index(row["way"])), given.json)
    stalls = {way: median([one["longest stall s"] for one in rows if one["way"] == way]) or 0.0 for way in ways}
    print(f"\nbeyond what Patroni takes: {stalls['playbook'] - stalls['patroni']:.2f} s (medians)")
    if any(row["anomalies"] for row in rows):
        raise SystemExit("acknowledged writes were lost, or worse")


if __name__ == "__main__":
    main()
