# SPDX-License-Identifier: Apache-2.0
"""PgBouncers to compare the shipped one with: same proxy host, same settings, another way to the primary."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from common import Lab

START = """
from={source} to=/run/pgtier-reference/{name}
install -d -o postgres -g postgres /run/pgtier-reference $to
# Only the way to the server differs: what the shipped one needs to find the primary by name goes.
sed -E -e 's/ host=[^ ]+ port=[0-9]+/ host={host} port={port}/' -e "s/ connect_query='[^']*'//" \\
    -e 's,^%include .*,%include '$to'.listen,' -e '/^(resolv_conf|dns_)/d' $from > $to.ini
printf 'listen_addr = *\\nlisten_port = {listen}\\nunix_socket_dir = %s\\n' $to > $to.listen
chown postgres: $to.ini $to.listen
systemd-run --quiet --unit pgtier-reference-{name} -p User=postgres -p LimitNOFILE=20000 /usr/sbin/pgbouncer $to.ini
for _ in $(seq 50); do [ -S $to/.s.PGSQL.{listen} ] && exit 0; sleep 0.1; done
systemctl status --no-pager pgtier-reference-{name}; exit 1
"""
STOP = """
systemctl kill -s KILL pgtier-reference-{name} 2>/dev/null || true
systemctl reset-failed pgtier-reference-{name} 2>/dev/null || true
rm -rf /run/pgtier-reference/{name}*
"""
KILL_POSTMASTER = "kill -9 $(head -n 1 /var/lib/postgresql/17/main/postmaster.pid)"
KILL_PATRONI = "systemctl kill --kill-whom=main --signal=KILL patroni"
SWITCHOVER = "patronictl -c /etc/patroni/config.yml switchover main --leader {leader} --force"
LEADER = "patronictl -c /etc/patroni/config.yml list -f json"


@dataclass(frozen=True)
class Reference:
    port: int
    primary: str


def members(hosts: Lab) -> list[dict[str, str]]:
    """What Patroni says of the cluster; asked of any host that answers."""
    for host in hosts.groups["postgres"]:
        try:
            return [dict(member) for member in json.loads(hosts.shell(host, LEADER))]
        except SystemExit as error:
            last = error
    raise last


def leader(hosts: Lab) -> str:
    return next(member["Member"] for member in members(hosts) if member["Role"] == "Leader")


@contextmanager
def pgbouncer(hosts: Lab, name: str, listen: int, haproxy_port: int | None) -> Iterator[Reference]:
    """One that goes to the present primary's address, or to HAProxy's port on its own host."""
    proxy = hosts.groups["proxy"][0]
    primary = hosts.addresses[leader(hosts)]
    host, port = ("127.0.0.1", haproxy_port) if haproxy_port else (primary, 5432)
    hosts.shell(
        proxy,
        START.format(source="/etc/pgbouncer/endpoints/primary.ini", name=name, host=host, port=port, listen=listen),
    )
    try:
        yield Reference(listen, primary)
    finally:
        hosts.shell(proxy, STOP.format(name=name))
