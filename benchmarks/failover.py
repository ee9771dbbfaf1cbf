#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What 50 clients see when the primary goes: failed statements, longest stall, acknowledged rows lost.

Compared on the same hosts in the same run: the shipped endpoint `primary`, and a PgBouncer with the same settings that
goes through HAProxy's port, the usual way. Each client writes one transaction after the other on a connection that it
keeps, and after an error connects anew 100 ms later. Rounds are interleaved. Load and checker are those of the drill.
  kill        kill -9 of the primary's postmaster
  switchover  a plain one, nothing paused
  cut_off     the primary's host loses its network (--full)
  frozen      the primary's host stops, but its network does not (--full)
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from common import Lab, Ledger, figures, lab, parser, report, say, writing
from psycopg.conninfo import make_conninfo
from reference import leader, members, pgbouncer

KILL = "kill -9 $(head -n 1 /var/lib/postgresql/17/main/postmaster.pid)"
SWITCHOVER = "patronictl -c /etc/patroni/config.yml switchover main --leader {leader} --force"
UNDO = {"cut_off": "healed", "frozen": "thawed"}


def strike(hosts: Lab, fault: str) -> str:
    """Do it; the host it was done to."""
    primary = leader(hosts)
    if fault == "kill":
        hosts.shell(primary, KILL)
    elif fault == "switchover":
        hosts.shell(primary, SWITCHOVER.format(leader=primary))
    else:
        hosts.playbook("playbooks/lab_fault.yml", "-e", f"host={primary}", "-e", f"fault={fault}")
    return primary


def trial(hosts: Lab, conninfo: str, fault: str, clients: int) -> Ledger:
    lasts = UNDO.get(fault)
    with writing(conninfo, clients) as load:
        end = time.monotonic() + (50 if lasts else 12)
        time.sleep(3)
        struck = strike(hosts, fault)
        if lasts:
            time.sleep(max(0.0, end - time.monotonic() - 5))
            hosts.playbook("playbooks/lab_fault.yml", "-e", f"host={struck}", "-e", f"fault={lasts}")
        time.sleep(max(0.0, end - time.monotonic()))
    return load.report


def settle(hosts: Lab) -> None:
    """Wait until there is one leader and everybody else streams."""
    for _ in range(120):
        states = sorted((member["Role"], member["State"]) for member in members(hosts))
        if (
            len(states) == 3
            and states[0] == ("Leader", "running")
            and all(state == "streaming" for _, state in states[1:])
        ):
            time.sleep(2)
            return
        time.sleep(0.5)
    raise SystemExit(f"the cluster did not settle within a minute: {states}")


def row(hosts: Lab, way: str, conninfo: str, fault: str, clients: int) -> dict[str, Any]:
    settle(hosts)
    seen = trial(hosts, conninfo, fault, clients)
    settle(hosts)
    say(f"{fault} {way}: {seen}")
    return {"fault": fault, "way": way, **figures(seen)}


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    faults = ["kill", "switchover", *(UNDO if given.full else ())]
    rows: list[dict[str, Any]] = []
    with lab() as hosts:
        hosts.up()
        say("site.yml")
        hosts.playbook("site.yml")
        with pgbouncer(hosts, "hop", 6493, 5000) as hop:
            shipped = make_conninfo("", **hosts.connection("app", "app", "primary"), connect_timeout=60)
            ways = {"shipped": shipped, "via haproxy": make_conninfo(shipped, port=hop.port)}
            for _, fault, (way, conninfo) in itertools.product(range(given.rounds), faults, ways.items()):
                rows.append(row(hosts, way, conninfo, fault, given.clients))
    report(sorted(rows, key=lambda row: (row["fault"], row["way"])), given.json)
    if any(row["anomalies"] for row in rows):
        raise SystemExit("acknowledged writes were lost, or worse")


if __name__ == "__main__":
    main()
