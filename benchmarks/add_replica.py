#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long add_replica.yml takes, from a bare host to one that serves reads, against a raw copy of the same data.

The raw copy is `pg_basebackup -c fast` alone, on a host that has its packages, over the same TLS connection to the same
primary: once before the playbook, on a replica, and once after it, on the new host. The playbook also installs packages
(which a run without data shows), issues a certificate, waits until the member has caught up and tells the proxies. Then
how many module executions that is with few members and with many: a cluster that grows must not make adding slower.
"""

from __future__ import annotations

import re
import time
from typing import Any

from common import RECAP, Lab, lab, median, parser, report, say
from reference import leader

RAW = """
to=/var/lib/postgresql/raw-copy
way=$(cd /; runuser -u postgres -- psql -Atc 'SHOW primary_conninfo')
begin=$(date +%s.%N)
cd /; runuser -u postgres -- pg_basebackup -d "$way" -c fast -X stream -D $to
echo "seconds $(echo "$(date +%s.%N) $begin" | awk '{print $1 - $2}')"
rm -rf $to
"""
# Rows of about 1 kB that do not compress; a million of them are 1.1 GB.
FILL = """
cd /; runuser -u postgres -- psql -qAt -d app -v ON_ERROR_STOP=1 <<'SQL'
CREATE TABLE filler AS SELECT n, t.text FROM generate_series(1, {rows}) n,
  LATERAL (SELECT string_agg(md5(n::text || m), '') AS text FROM generate_series(1, 31) m) t;
CHECKPOINT;
SELECT pg_database_size('app');
SQL
"""
EMPTY = "cd /; runuser -u postgres -- psql -qAt -d app -c 'DROP TABLE IF EXISTS filler' -c CHECKPOINT"
ROWS_PER_GB = 920_000


def raw(hosts: Lab, host: str) -> float:
    found = re.search(r"^seconds ([\d.]+)", hosts.shell(host, RAW), re.MULTILINE)
    if not found:
        raise SystemExit(f"no time of a raw copy on {host}")
    return float(found[1])


def add(hosts: Lab, host: str) -> tuple[float, int]:
    """Seconds of the playbook, and how many tasks it ran on all hosts together."""
    hosts.enlist(host)
    begin = time.monotonic()
    output = hosts.output("playbooks/add_replica.yml")
    seconds = time.monotonic() - begin
    # Those that came to an end; what is skipped is not counted.
    return seconds, sum(int(count) for _, count, *_ in RECAP.findall(output))


def copies(sizes: list[float]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with lab(5 + len(sizes), spare=len(sizes)) as hosts:
        hosts.up()
        say("site.yml")
        hosts.playbook("site.yml")
        for number, size in enumerate(sizes):
            new, primary = f"pg{4 + number}", leader(hosts)
            hosts.shell(primary, EMPTY)
            if size:
                say(f"{size:g} GB")
                hosts.shell(primary, FILL.format(rows=int(size * ROWS_PER_GB)))
            replica = next(name for name in hosts.groups["postgres"] if name != primary)
            before = raw(hosts, replica)
            seconds, _ = add(hosts, new)
            copy = float(median([before, raw(hosts, new)]) or 0)
            say(f"{new}: {seconds:.1f} s, raw copy {copy:.1f} s")
            rows.append(
                {
                    "GB": size,
                    "raw copy s": copy,
                    "add_replica.yml s": seconds,
                    "beyond 1.25 x raw s": seconds - 1.25 * copy,
                }
            )
    return rows


def executions(members: list[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for count in members:
        # Three members and two proxies are five hosts.
        with lab(count + 3, spare=1) as hosts:
            hosts.up()
            say(f"site.yml with {count} members")
            hosts.playbook("site.yml")
            seconds, tasks = add(hosts, f"pg{count + 1}")
            rows.append({"members before": count, "tasks on all hosts": tasks, "add_replica.yml s": seconds})
    return rows


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--gb", default="0,1,5", help="sizes, with commas (default 0,1,5); '' for none")
    options.add_argument("--members", default="3,8", help="numbers of members to add one to, with commas; '' for none")
    given = options.parse_args()
    if not (given.gb or given.members):
        options.error("--gb and --members are both empty: there is nothing to measure")
    tables = []
    if given.gb:
        tables.append(copies([float(size) for size in given.gb.split(",")]))
    if given.members:
        tables.append(executions([int(count) for count in given.members.split(",")]))
    for rows in tables:
        report(rows, given.json.with_stem(f"{given.json.stem}-{len(rows[0])}") if given.json else None)
        print()


if __name__ == "__main__":
    main()
