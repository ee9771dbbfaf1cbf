#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long site.yml takes on bare hosts, against the floor in the same run.

The floor is a plain shell script over ssh, all hosts side by side: the same packages, initdb on one host, a base backup
on the others. It configures nothing and waits for nothing. Each gets hosts of its own that were just made; making them
is not counted. A second run of site.yml must change nothing. With several numbers of hosts: what one more host costs.
"""

from __future__ import annotations

import time
from typing import Any

from common import Lab, lab, median, parser, report, say

BIN = "/usr/lib/postgresql/17/bin"
DATA = "/var/lib/postgresql/17/floor"
INSTALL = """
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends {packages} >/dev/null
"""
PRIMARY = """
runuser -u postgres -- {bin}/initdb -k -A trust -D {data} >/dev/null
printf "listen_addresses='*'\\nwal_keep_size=256MB\\nmax_wal_senders=40\\n" >> {data}/postgresql.conf
printf 'host replication all {subnet}.0/24 trust\\n' >> {data}/pg_hba.conf
systemd-run --quiet --unit floor -p User=postgres -p Type=forking {bin}/pg_ctl -w -D {data} -l /tmp/floor.log start
"""
# Units of their own: what an ssh session leaves running can end with it.
REPLICA = """
runuser -u postgres -- {bin}/pg_basebackup -h {primary} -U postgres -c fast -X stream -R -D {data}
systemd-run --quiet --unit floor -p User=postgres -p Type=forking {bin}/pg_ctl -w -D {data} -l /tmp/floor.log start
"""


def floor(hosts: Lab) -> float:
    # Asked of the plan, so that the floor cannot fall behind what site.yml installs.
    wanted = {name: host["packages"] for name, host in hosts.plan()["hosts"].items()}
    first, *others = hosts.groups["postgres"]
    address = hosts.addresses[first]
    values = {"bin": BIN, "data": DATA, "primary": address, "subnet": address.rpartition(".")[0]}
    begin = time.monotonic()
    hosts.shells({host: INSTALL.format(packages=" ".join(names)) for host, names in wanted.items()})
    hosts.shell(first, PRIMARY.format(**values))
    hosts.shells({host: REPLICA.format(**values) for host in others})
    return time.monotonic() - begin


def one(count: int) -> dict[str, float]:
    with lab(count) as hosts:
        say(f"{count} bare hosts for the floor: up in {hosts.up():.1f} s")
        seconds = {"floor": floor(hosts)}
        say(f"floor: {seconds['floor']:.1f} s")
        hosts.down()
        seconds["hosts up"] = hosts.up()
        say(f"{count} bare hosts for site.yml: up in {seconds['hosts up']:.1f} s")
        seconds["site.yml"], _ = hosts.playbook("site.yml")
        say(f"site.yml: {seconds['site.yml']:.1f} s")
        seconds["second run"], changed = hosts.playbook("site.yml")
        say(f"second run: {seconds['second run']:.1f} s, changed={sum(changed.values())}")
        if sum(changed.values()):
            raise SystemExit(f"the second run changed something: {changed}")
        return seconds


def main() -> None:
    options = parser(str(__doc__).splitlines()[0])
    options.add_argument("--hosts", default=None, help="numbers of hosts, with commas (default 5; with --full 5,9)")
    options.add_argument("--rounds", type=int, default=None, help="default 1; with --full 3")
    given = options.parse_args()
    counts = [int(count) for count in (given.hosts or ("5,9" if given.full else "5")).split(",")]
    rounds = given.rounds or (3 if given.full else 1)
    rows: list[dict[str, Any]] = []
    for count in counts:
        results = [one(count) for _ in range(rounds)]
        middle = {key: float(median([result[key] for result in results]) or 0) for key in results[0]}
        rows.append(
            {
                "hosts": count,
                "site.yml s": middle["site.yml"],
                "floor s": middle["floor"],
                "ratio": middle["site.yml"] / middle["floor"],
                "second run s": middle["second run"],
                "changed": 0,
                "hosts up s": middle["hosts up"],
            }
        )
    for row, before in zip(rows[1:], rows, strict=False):
        more = row["hosts"] - before["hosts"]
        for key in ("site.yml s", "floor s", "second run s"):
            each = (row[key] - before[key]) / more
            say(f"each further host, {key}: {each:+.1f} ({before['hosts']} to {row['hosts']})")
    report(rows, given.json)


if __name__ == "__main__":
    main()
