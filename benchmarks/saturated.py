#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Whether a tier that has no core left keeps its primary: for minutes, pgbench through the pools takes all there is

Two pgbenches, which write through the endpoint `primary` and read through `replica`, with many clients each, and busy
loops on the members' hosts if that does not saturate the cores (--spin). Nothing may change the leader; what else gives
way is counted: members taken out of the read endpoint (HAProxy's own count, of all proxies), how often a proxy took the
virtual address, clients that lost their connection (each pgbench comes at its proxy, not at the address), and programs
that were started anew, by systemd or by Patroni.
"""

from __future__ import annotations

import contextlib
import io
import re
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import Lab, haproxy, lab, number, parser, report, say
from pools import Target
from settled import Members

PIECE_SECONDS = 60
# Beyond its time: connecting to a computer that has no core left, or a connection that hangs.
STUCK_SECONDS = 120
ADDRESS = "{{ (lab_name | pgtier.cluster.lab_network(lab_subnet)).virtual_address }}"
PROCESSED = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
LOST = re.compile(r"client \d+ (?:script \d+ )?aborted")
# Name and process of every unit that is ours to keep running, and the postmaster's.
UNITS = """
for unit in $(systemctl list-dependencies --plain --no-pager multi-user.target |
    grep -oE '(etcd|patroni|haproxy|pgbouncer@|pgtier-)[^ ]*[.]service'); do
    echo "$unit $(systemctl show -p NRestarts --value $unit) $(systemctl show -p MainPID --value $unit)"
done
[ ! -e /var/lib/postgresql/17/main/postmaster.pid ] ||
    echo "postmaster 0 $(head -n 1 /var/lib/postgresql/17/main/postmaster.pid)"
"""
MOVES = "journalctl -q -u pgtier-keepalived -o cat | grep -c 'Entering MASTER STATE' || true"
SPIN = "for _ in $(seq {number}); do timeout {seconds} sh -c 'while :; do :; done' >/dev/null 2>&1 & done"

Units = dict[str, tuple[int, str]]


def units(said: str) -> Units:
    """Of each unit, how often systemd has started it anew, and its process. Pure."""
    return {
        name: (int(number), process) for name, number, process in (line.split() for line in said.strip().splitlines())
    }


def restarted(before: Units, after: Units) -> dict[str, int]:
    """Units whose process is another one now, and how often that happened at least. Pure."""
    return {
        name: max(1, after.get(name, (0, ""))[0] - number)
        for name, (number, process) in before.items()
        if after.get(name, (0, ""))[1] != process
    }


def downs(statistics_of_haproxy: str, backend: str) -> dict[str, int]:
    """How often each of a backend's servers was taken out. Pure."""
    rows = haproxy.parse_stat(statistics_of_haproxy)
    return {row["svname"]: int(row["chkdown"] or 0) for row in rows if row["pxname"] == backend}


def busy(first: str, last: str) -> float:
    """The share of all cores' time that was not idle between two states of /proc/stat. Pure."""
    earlier, later = ([int(word) for word in text.splitlines()[0].split()[1:9]] for text in (first, last))
    passed = [after - before for before, after in zip(earlier, later, strict=True)]
    return 1.0 - (passed[3] + passed[4]) / max(1, sum(passed))


@contextmanager
def sampled(every: float = 1.0) -> Iterator[list[float]]:
    """How busy this computer is, hosts and clients together, second by second."""
    shares: list[float] = []
    over = threading.Event()

    def sample() -> None:
        before = Path("/proc/stat").read_text()
        while not over.wait(every):
            shares.append(busy(before, before := Path("/proc/stat").read_text()))

    threading.Thread(target=sample, daemon=True).start()
    try:
        yield shares
    finally:
        over.set()


class State:
    """What is compared: who leads, what runs, who serves reads."""

    def __init__(self, hosts: Lab, members: Members) -> None:
        members.settle()
        status = members.statuses()
        self.leader = members.leader()
        self.timeline = max(one["timeline"] for one in status.values() if one)
        self.units = {host: units(hosts.shell(host, UNITS)) for host in hosts.addresses}
        self.moves = sum(int(hosts.shell(proxy, MOVES)) for proxy in hosts.groups["proxy"])
        self.downs = {
            f"{server} at {proxy}": count
            for proxy in hosts.groups["proxy"]
            for server, count in downs(hosts.haproxy(proxy, "show stat"), "replica").items()
        }


def pgbench(target: Target, clients: int, options: list[str], until: float) -> dict[str, float]:
    """pgbench in pieces until the time is over: a client that lost its connection has another one in the next."""
    total = {"transactions": 0.0, "clients lost": 0.0, "pieces that got stuck": 0.0}
    while (left := until - time.monotonic()) > 1:
        seconds = round(min(PIECE_SECONDS, left))
        try:
            how = ["-n", "-c", str(clients), "-j", "2", "-T", str(seconds), *options]
            done = target.pgbench(*how, timeout=seconds + STUCK_SECONDS)
        except subprocess.TimeoutExpired:
            total["pieces that got stuck"] += 1
            continue
        processed = PROCESSED.search(done.stdout)
        total["transactions"] += int(processed[1]) if processed else 0
        total["clients lost"] += len(LOST.findall(done.stderr)) if processed else clients
    return total


def load(hosts: Lab, seconds: int, clients: int) -> dict[str, float]:
    """Both pgbenches side by side, each on a proxy host of its own; what they did."""
    until = time.monotonic() + seconds
    wanted = [("primary", hosts.groups["proxy"][0], []), ("replica", hosts.groups["proxy"][-1], ["-S"])]
    found: dict[str, float] = {}
    with ThreadPoolExecutor(len(wanted)) as pool:
        running = {}
        for endpoint, proxy, options in wanted:
            where = hosts.connection("app", "app", endpoint)
            target = Target(hosts.addresses[proxy], int(where["port"]), where["password"])
            running[endpoint] = pool.submit(pgbench, target, clients, options, until)
        for endpoint, future in running.items():
            found |= {f"{endpoint} {name}": int(value) for name, value in future.result().items()}
    return found


def measure(hosts: Lab, minutes: float, clients: int, spin: int) -> dict[str, Any]:
    members, seconds = Members(hosts), int(minutes * 60)
    before = State(hosts, members)
    say(f"{before.leader} leads on timeline {before.timeline}; {minutes:g} minutes under load")
    if spin:
        hosts.shells(dict.fromkeys(hosts.groups["postgres"], SPIN.format(number=spin, seconds=seconds)))
    with sampled() as shares:
        done = load(hosts, seconds, clients)
        used = list(shares)
    after = State(hosts, members)
    anew = {
        f"{unit} on {host}": times
        for host in before.units
        for unit, times in restarted(before.units[host], after.units[host]).items()
    }
    out = {server: after.downs.get(server, 0) - count for server, count in before.downs.items()}
    return {
        "minutes": minutes,
        "cpu busy median": statistics.median(used),
        "cpu busy least": min(used),
        **done,
        "leader before": before.leader,
        "leader after": after.leader,
        "leader changes": after.timeline - before.timeline,
        "replicas taken out": sum(out.values()),
        "address taken": after.moves - before.moves,
        "started anew": ", ".join(f"{times} x {name}" for name, times in anew.items()) or "nothing",
    }


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--minutes", type=float, default=30.0)
    options.add_argument("--clients", type=int, default=100, help="of each endpoint")
    options.add_argument("--scale", type=int, default=10, help="of pgbench's data")
    options.add_argument("--spin", type=int, default=0, help="busy loops on each member's host")
    given = options.parse_args()
    with lab(variables={"keepalived_address": ADDRESS}) as hosts:
        hosts.up()
        say("site.yml")
        hosts.playbook("site.yml")
        fill(hosts, given.scale)
        row = measure(hosts, given.minutes, given.clients, given.spin)
    for name, value in row.items():
        print(f"{name:32}  {number(value)}")
    if given.json:
        with contextlib.redirect_stdout(io.StringIO()):
            report([row], given.json)
    if row["leader changes"] or row["leader before"] != row["leader after"]:
        raise SystemExit("the leader changed, and nothing but the load was there to change it")


def fill(hosts: Lab, scale: int) -> None:
    """pgbench's tables."""
    where = hosts.connection("app", "app", "primary")
    filled = Target(where["host"], int(where["port"]), where["password"]).pgbench("-i", "-q", "-s", str(scale))
    if filled.returncode:
        raise SystemExit(f"pgbench -i: {filled.stderr.strip()[-400:]}")


if __name__ == "__main__":
    main()
