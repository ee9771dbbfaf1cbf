#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What clients see when something dies: longest stall, failed statements, acknowledged rows lost

Each cell is a fault on a way, so many trials each. On the same hosts in the same run:
  pgtier    the shipped endpoint `primary`, by the address that moves between the proxies
  defaults  the same parts as they come (defaults.py says how), with a connection string that names all proxies

  postmaster   kill -9 of the primary's postmaster
  patroni      kill -9 of the primary's Patroni
  host         the primary's host loses its power, without a last word
  host_fenced  the same with a fence, which only we have
  proxy        the host of the proxy that clients are connected to loses its power
  switchover   a planned one: playbooks/switchover.yml, or patronictl

20 clients keep their connection and pause for 20 ms after each transaction, so that the cores that hosts and clients
share are not saturated; after an error they connect anew 100 ms later, with the timeouts of the drill's clients. A
trial ends when writes have gone on for five seconds. Then the host is mended, and the next trial begins when all is at
rest: in our way that is also when etcd's leader is not on the primary's host. Trials come in blocks of a way, in turn,
so that a disturbance is spread over all. All six faults take some hours: with --continue a run that was ended goes on.

Patroni's defaults replicate asynchronously: what that loses is reported. In our way a loss is an error.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import defaults
from common import Lab, lab, parser, say, table
from power import COMMAND, Power
from psycopg.conninfo import make_conninfo
from reference import KILL_PATRONI, KILL_POSTMASTER, SWITCHOVER
from settled import Members, served, wait_for
from trials import Load, trial

Row = dict[str, Any]
# Seconds to writes (median), and failed statements (in any trial; None is as many as were in flight).
AIMS: dict[str, tuple[float | None, int | None]] = {
    "postmaster": (1.5, 20),
    "patroni": (2.5, None),
    "host": (22.0, None),
    "host_fenced": (3.0, None),
    "proxy": (2.0, None),
    "switchover": (None, 0),
}
WAYS = ("pgtier", "defaults")
POWER = ("host", "host_fenced", "proxy")
ADDRESS = "{{ (lab_name | pgtier.cluster.lab_network(lab_subnet)).virtual_address }}"
# A proxy that is back counts as sound after 5 s.
SOUND_SECONDS = 8.0


class Bench:
    """A lab with both ways on it."""

    def __init__(self, hosts: Lab, wanted: Load, faults: list[str]) -> None:
        self.hosts, self.wanted, self.members = hosts, wanted, Members(hosts)
        self.power = Power(hosts) if set(faults) & set(POWER) else None
        shipped = make_conninfo("", **hosts.connection("app", "app", "primary"))
        proxies = [hosts.addresses[name] for name in hosts.groups["proxy"]]
        address = str(hosts.lab_network.virtual_address)
        self.ways = {
            "pgtier": make_conninfo(shipped, host=address),
            "defaults": make_conninfo(shipped, host=",".join(proxies), port=defaults.PORT),
        }
        # Each proxy's own, and the address.
        self.endpoints = {
            way: [make_conninfo(line, host=host, connect_timeout=5) for host in hosts_of]
            for (way, line), hosts_of in zip(self.ways.items(), ([address, *proxies], proxies), strict=True)
        }

    @contextmanager
    def mode(self, name: str) -> Iterator[None]:
        """How the tier is set up: as it is shipped, so with a fence, or as its parts come."""
        with ExitStack() as stack:
            if name == "defaults":
                stack.enter_context(defaults.defaults(self.hosts, self.members))
            elif name == "fenced":
                assert self.power is not None
                stack.enter_context(self.power.fence())
                stack.callback(self.hosts.playbook, "site.yml", "--tags", "patroni")
                fence = {"patroni_fence_command": COMMAND, "patroni_fence_timeout_seconds": 4}
                self.hosts.playbook("site.yml", "--tags", "patroni", "-e", json.dumps(fence))
            yield

    def settle(self, way: str, fault: str) -> None:
        self.members.settle(quorum=way == "pgtier")
        served(self.endpoints[way])
        if way == "pgtier" and fault.startswith("host"):
            self.members.apart()

    def proxy(self, way: str) -> str:
        """Whose host clients are connected to: the first in their line, or the one that has the address."""
        proxies = self.hosts.groups["proxy"]
        if way == "defaults":
            return str(proxies[0])
        address = self.hosts.lab_network.virtual_address
        return next(str(name) for name in proxies if f" {address}/" in self.hosts.shell(name, "ip -o -4 address"))

    def strike(self, fault: str, way: str, victim: str) -> None:
        if fault in POWER:
            assert self.power is not None
            self.power.take(victim)
        elif fault == "switchover" and way == "pgtier":
            self.hosts.playbook("playbooks/switchover.yml")
        else:
            script = {"postmaster": KILL_POSTMASTER, "patroni": KILL_PATRONI, "switchover": SWITCHOVER}[fault]
            self.hosts.shell(victim, script.format(leader=victim))

    def mend(self, fault: str, victim: str) -> None:
        if self.power is None or fault not in POWER:
            return
        self.power.give(victim)
        if fault == "proxy":
            time.sleep(SOUND_SECONDS)
        else:
            state = "systemctl is-active etcd patroni || true"
            wait_for(f"{victim} is back", 60, lambda: self.hosts.shell(victim, state).split() == ["active"] * 2)

    def row(self, fault: str, way: str) -> Row:
        began = time.monotonic()
        self.settle(way, fault)
        victim = self.proxy(way) if fault == "proxy" else self.members.leader()
        quiet = time.monotonic()
        try:
            seen = trial(
                self.ways[way],
                self.wanted,
                lambda: self.strike(fault, way, victim),
                lambda: self.members.primary() is not None,
            )
        finally:
            self.mend(fault, victim)
        times = {"settled_after": round(quiet - began, 1), "took": round(time.monotonic() - began, 1)}
        return {"fault": fault, "way": way, "victim": victim, **seen.figures(), **times, "load": os.getloadavg()[0]}


def modes(faults: list[str], ways: list[str]) -> dict[str, tuple[str, list[str]]]:
    """What is run in which setup, on which way. Pure."""
    plain = [fault for fault in faults if fault != "host_fenced"]
    found = {
        "pgtier": ("pgtier", plain if "pgtier" in ways else []),
        "fenced": ("pgtier", ["host_fenced"] if "host_fenced" in faults and "pgtier" in ways else []),
        "defaults": ("defaults", plain if "defaults" in ways else []),
    }
    return {mode: cells for mode, cells in found.items() if cells[1]}


def aim(fault: str, way: str, seconds: float, failed: int) -> tuple[str, str]:
    """What is aimed at, in words, and whether it is met. Pure."""
    if way != "pgtier":
        return "-", "-"
    longest, most = AIMS[fault]
    words = [f"<= {longest:g} s"] if longest is not None else []
    words += [f"<= {most} failed"] if most is not None else []
    met = (longest is None or seconds <= longest) and (most is None or failed <= most)
    return ", ".join(words), "yes" if met else "no"


def summary(rows: list[Row]) -> list[Row]:
    """A line for each cell. Pure."""
    cells: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        cells.setdefault((row["fault"], row["way"]), []).append(row)
    lines = []
    for fault, way in [cell for cell in itertools.product(AIMS, WAYS) if cell in cells]:
        trials = cells[fault, way]
        stalls, failed = ([row[key] for row in trials] for key in ("recovery_seconds", "failed"))
        words, met = aim(fault, way, statistics.median(stalls), max(failed))
        lines.append(
            {
                "fault": fault,
                "way": way,
                "trials": len(trials),
                "median s": statistics.median(stalls),
                "worst s": max(stalls),
                "failed median": statistics.median(failed),
                "failed max": max(failed),
                "of them cached": sum(row["cached"] for row in trials),
                "acknowledged": sum(row["acknowledged"] for row in trials),
                "lost": sum(row["lost"] for row in trials),
                "aim": words,
                "met": met,
            }
        )
    return lines


def load(given: argparse.Namespace) -> Row:
    """Trials can be compared only if this was the same. Pure."""
    return {"clients": given.clients, "pause_seconds": given.pause}


def save(given: argparse.Namespace, rows: list[Row]) -> None:
    """As it goes: what a run that was ended had until then is worth something."""
    if given.json and rows:
        machine = {"cores": os.cpu_count(), "kernel": os.uname().release}
        text = json.dumps({"machine": machine, "load": load(given), "figures": summary(rows), "trials": rows}, indent=2)
        given.json.write_text(text + "\n")


def blocks(trials: int, number: int) -> list[int]:
    """So many trials in so many blocks, none of them empty. Pure."""
    return [size for index in range(number) if (size := trials // number + (index < trials % number))]


def arguments() -> argparse.Namespace:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--trials", type=int, help="a cell; 20 with --full, 4 without")
    options.add_argument("--blocks", type=int, default=4, help="into which a cell's trials are split")
    options.add_argument("--faults", default=",".join(AIMS), help="which, with commas between; all by default")
    options.add_argument("--ways", default=",".join(WAYS), help="which, with a comma between; both by default")
    options.add_argument("--continue", dest="go_on", action="store_true", help="with the trials that --json has")
    options.add_argument("--clients", type=int, default=20)
    options.add_argument("--pause", type=float, default=0.02, help="seconds between two transactions of a client")
    given = options.parse_args()
    if given.go_on and not (given.json and given.json.exists()):
        options.error("--continue: name the file of an earlier run with --json")
    given.trials = given.trials or (20 if given.full else 4)
    for name, known in (("faults", list(AIMS)), ("ways", list(WAYS))):
        chosen = getattr(given, name).split(",")
        if unknown := set(chosen) - set(known):
            options.error(f"--{name}: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        setattr(given, name, chosen)
    return given


def earlier(given: argparse.Namespace) -> list[Row]:
    """The trials of the run to go on with."""
    if not given.go_on:
        return []
    found = json.loads(given.json.read_text())
    if found["load"] != load(given):
        raise SystemExit(f"--continue: {given.json} is of {found['load']}, not of {load(given)}; name another file")
    rows: list[Row] = found["trials"]
    return rows


def done(rows: list[Row]) -> collections.Counter[tuple[str, str]]:
    """How many trials each fault has had on each way. Pure."""
    return collections.Counter((row["fault"], row["way"]) for row in rows)


def missing(rows: list[Row], way: str, faults: list[str], each: int) -> list[str]:
    """The trials that it takes until each fault has had so many on this way. Pure."""
    had = done(rows)
    return [fault for fault in faults for _ in range(each - had[fault, way])]


def measure(bench: Bench, given: argparse.Namespace, rows: list[Row]) -> None:
    wanted = modes(given.faults, given.ways)
    for number, each in enumerate(itertools.accumulate(sizes := blocks(given.trials, given.blocks)), 1):
        for mode, (way, faults) in wanted.items():
            if not (left := missing(rows, way, faults, each)):
                continue
            say(f"block {number} of {len(sizes)}: {mode}")
            with bench.mode(mode):
                for fault in left:
                    rows.append(row := bench.row(fault, way))
                    save(given, rows)
                    had = done(rows)[fault, way]
                    say(
                        f"{fault} {way} {had}/{given.trials}: {row['recovery_seconds']:.2f} s, {row['failed']} failed "
                        f"({row['cached']} cached), {row['acknowledged']} acknowledged, {row['lost']} lost; "
                        f"{row['victim']}, took {row['took']:.0f} s ({row['settled_after']:.0f} s until at rest)"
                    )


def main() -> None:
    given = arguments()
    rows = earlier(given)
    try:
        with lab(variables={"keepalived_address": ADDRESS}) as hosts:
            hosts.up()
            say("site.yml")
            hosts.playbook("site.yml")
            if "defaults" in given.ways:
                defaults.install(hosts)
            measure(Bench(hosts, Load(given.clients, given.pause), given.faults), given, rows)
    finally:
        if rows:
            print(table(summary(rows)))
            save(given, rows)
    if bad := [row for row in rows if row["way"] == "pgtier" and row["anomalies"]]:
        raise SystemExit("acknowledged writes were lost, or worse: " + "; ".join(str(row["found"]) for row in bad))


if __name__ == "__main__":
    main()
