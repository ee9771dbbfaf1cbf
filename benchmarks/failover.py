#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What 50 clients see when the primary goes: failed statements, longest stall, acknowledged rows lost.

Compared on the same hosts in the same run: the shipped endpoint `primary`, and a PgBouncer with the same settings that
goes through HAProxy's port, the usual way. Each client writes one row after the other on a connection that it keeps,
and after an error connects anew 50 ms later. Rounds are interleaved.
  kill        kill -9 of the primary's postmaster
  switchover  a plain one, nothing paused
  cut_off     the primary's host loses its network (--full)
  frozen      the primary's host stops, but its network does not (--full)
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg
from common import Lab, lab, parser, report, say
from psycopg.conninfo import make_conninfo
from reference import leader, members, pgbouncer

TABLE = "create table if not exists acknowledged (run int, client int, sequence int)"
KILL = "kill -9 $(head -n 1 /var/lib/postgresql/17/main/postmaster.pid)"
SWITCHOVER = "patronictl -c /etc/patroni/config.yml switchover main --leader {leader} --force"
UNDO = {"cut_off": "healed", "frozen": "thawed"}


@dataclass
class Seen:
    """What the clients of one trial saw."""

    acknowledged: list[tuple[float, int, int]] = field(default_factory=list)
    errors: collections.Counter[str] = field(default_factory=collections.Counter)

    def stall(self) -> float:
        moments = sorted(moment for moment, _, _ in self.acknowledged)
        return max((after - before for before, after in itertools.pairwise(moments)), default=float("inf"))


async def client(number: int, conninfo: str, run: int, end: float, seen: Seen) -> None:
    connection: psycopg.AsyncConnection[Any] | None = None
    sequence = 0
    while time.monotonic() < end:
        try:
            if connection is None:
                connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
            sequence += 1
            await connection.execute("insert into acknowledged values (%s, %s, %s)", (run, number, sequence))
            seen.acknowledged.append((time.monotonic(), number, sequence))
        except psycopg.Error as error:
            seen.errors["cached error" if "cached error" in str(error) else str(error).strip().splitlines()[-1]] += 1
            if connection is not None:
                await connection.close()
            connection = None
            await asyncio.sleep(0.05)
    if connection is not None:
        await connection.close()


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


async def trial(hosts: Lab, conninfo: str, fault: str, clients: int, run: int) -> Seen:
    lasts = UNDO.get(fault)
    seen, end = Seen(), time.monotonic() + (50 if lasts else 12)
    tasks = [asyncio.create_task(client(number, conninfo, run, end, seen)) for number in range(clients)]
    await asyncio.sleep(3)
    struck = await asyncio.to_thread(strike, hosts, fault)
    if lasts:
        await asyncio.sleep(max(0.0, end - time.monotonic() - 5))
        await asyncio.to_thread(
            hosts.playbook, "playbooks/lab_fault.yml", "-e", f"host={struck}", "-e", f"fault={lasts}"
        )
    await asyncio.gather(*tasks)
    return seen


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


def row(hosts: Lab, way: str, conninfo: str, fault: str, clients: int, run: int) -> dict[str, Any]:
    settle(hosts)
    seen = asyncio.run(trial(hosts, conninfo, fault, clients, run))
    settle(hosts)
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("select client, sequence from acknowledged where run = %s", (run,))
        kept = set(found.fetchall())
    say(f"{fault} {way}: {seen.stall():.2f} s, {dict(seen.errors)}")
    return {
        "fault": fault,
        "way": way,
        "longest stall s": seen.stall(),
        "failed statements": seen.errors.total(),
        "of them cached": seen.errors["cached error"],
        "acknowledged": len(seen.acknowledged),
        "lost": len({(number, sequence) for _, number, sequence in seen.acknowledged} - kept),
    }


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
            with psycopg.connect(shipped, autocommit=True) as connection:
                connection.execute(TABLE)
            for _, fault, (way, conninfo) in itertools.product(range(given.rounds), faults, ways.items()):
                rows.append(row(hosts, way, conninfo, fault, given.clients, len(rows) + 1))
    report(sorted(rows, key=lambda figures: (figures["fault"], figures["way"])), given.json)
    if any(figures["lost"] for figures in rows):
        raise SystemExit("acknowledged rows were lost")


if __name__ == "__main__":
    main()
