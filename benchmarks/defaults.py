# SPDX-License-Identifier: Apache-2.0
"""What a tier of the same parts does with the defaults they come with, on the same hosts as ours.

  Patroni    its own defaults (4.0: ttl 30, loop_wait 10, retry_timeout 10, primary_start_timeout 300,
             maximum_lag_on_failover 1 MiB, synchronous_mode off, failsafe_mode off): our values are taken out of the
             dynamic configuration, and put back afterwards. The unit restarts it as Debian's package has it.
  HAProxy    the template of Patroni's repository (extras/confd/templates/haproxy.tmpl), with checks by TLS
  PgBouncer  its defaults in transaction mode, on the way to the HAProxy of its host; users and certificates as ours

The last two run beside ours, on ports of their own, and are there again after a host has lost its power. What is no
part of such a tier, `pgtier-succession`, is stopped meanwhile. PostgreSQL's parameters stay as they are.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from common import Lab
from settled import Members

PORT, HAPROXY_PORT = 6494, 5494
# What we set and Patroni has a default for.
KEYS = (
    "ttl",
    "loop_wait",
    "retry_timeout",
    "primary_start_timeout",
    "maximum_lag_on_failover",
    "synchronous_mode",
    "synchronous_mode_strict",
    "synchronous_node_count",
    "failsafe_mode",
)
DROP_IN = "/etc/systemd/system/patroni.service.d/zz-defaults.conf"
# /usr/lib/systemd/system/patroni.service of Debian 13, and systemd's own default of RestartSec.
UNIT = """[Unit]
StartLimitIntervalSec=10s
[Service]
Restart=on-failure
RestartSec=100ms
TimeoutStopSec=30
"""
HAPROXY = """global
    user haproxy
    group haproxy
    maxconn 100

defaults
    mode tcp
    retries 2
    timeout client 30m
    timeout connect 4s
    timeout server 30m
    timeout check 5s

listen primary
    bind 127.0.0.1:{port}
    option httpchk HEAD /primary
    http-check expect status 200
    default-server inter 3s fall 3 rise 2 on-marked-down shutdown-sessions
"""
SERVER = (
    "    server {name} {address}:5432 maxconn 100 check port 8008 "
    "check-ssl verify required ca-file /etc/pgtier/ca.crt verifyhost {name}\n"
)
SERVICE = """[Unit]
After=network-online.target
Wants=network-online.target
[Service]
Type=notify
Restart=on-failure
LimitNOFILE=20000
{lines}
[Install]
WantedBy=multi-user.target
"""
SERVICES = {
    "haproxy": "ExecStart=/usr/sbin/haproxy -Ws -f /etc/pgtier-defaults/haproxy.cfg "
    "-p /run/pgtier-defaults-haproxy.pid",
    "pgbouncer": "User=postgres\nRuntimeDirectory=pgtier-defaults\nExecStart=/usr/sbin/pgbouncer "
    "/etc/pgtier-defaults/pgbouncer.ini",
}
TO_DEFAULTS = f"printf %s {shlex.quote(UNIT)} > {DROP_IN}; systemctl daemon-reload; "
TO_DEFAULTS += "systemctl disable --quiet --now pgtier-succession"
TO_OURS = f"rm -f {DROP_IN}; systemctl daemon-reload; systemctl enable --quiet --now pgtier-succession"
EDIT = "patronictl -c /etc/patroni/config.yml edit-config main --quiet --force"


def pgbouncer_ini(ours: str) -> str:
    """Of our configuration, who may log in and the certificates; everything else is PgBouncer's default. Pure."""
    databases = [
        f"{name} = host=127.0.0.1 port={HAPROXY_PORT} dbname={database}"
        + (" user=pgbouncer_auth" if "user=pgbouncer_auth" in rest else "")
        for name, database, rest in re.findall(r"^(\S+) = host=.* dbname=(\S+)(.*)$", ours, re.MULTILINE)
    ]
    settings = re.findall(r"^(?:auth_|client_tls_|server_tls_)\w+ = .*$", ours, re.MULTILINE)
    own = [f"listen_port = {PORT}", "listen_addr = *", "unix_socket_dir = /run/pgtier-defaults"]
    return "\n".join(["[databases]", *databases, "[pgbouncer]", "pool_mode = transaction", *own, *settings, ""])


def haproxy_cfg(addresses: dict[str, str]) -> str:
    """Pure."""
    servers = [SERVER.format(name=name, address=address) for name, address in addresses.items()]
    return HAPROXY.format(port=HAPROXY_PORT) + "".join(servers)


def install(hosts: Lab) -> None:
    """HAProxy and PgBouncer on every proxy host, beside ours."""
    addresses = {name: hosts.addresses[name] for name in hosts.groups["postgres"]}
    for proxy in hosts.groups["proxy"]:
        files = {
            "/etc/pgtier-defaults/haproxy.cfg": haproxy_cfg(addresses),
            "/etc/pgtier-defaults/pgbouncer.ini": pgbouncer_ini(
                hosts.shell(proxy, "cat /etc/pgbouncer/endpoints/primary.ini")
            ),
            **{
                f"/etc/systemd/system/pgtier-defaults-{name}.service": SERVICE.format(lines=lines)
                for name, lines in SERVICES.items()
            },
        }
        script = "mkdir -p /etc/pgtier-defaults\n"
        script += "".join(f"printf %s {shlex.quote(text)} > {path}\n" for path, text in files.items())
        script += "systemctl daemon-reload\nsystemctl enable --quiet --now pgtier-defaults-{haproxy,pgbouncer}\n"
        hosts.shell(proxy, script)


def edit(config: dict[str, Any]) -> str:
    """The command that sets these keys of Patroni's dynamic configuration; None takes one out. Pure."""
    values = [f"-s {shlex.quote(f'{key}={json.dumps(value)}')}" for key, value in config.items()]
    return " ".join([EDIT, *values])


@contextmanager
def defaults(hosts: Lab, members: Members) -> Iterator[None]:
    """Patroni as it comes, for as long as this."""
    everywhere = hosts.groups["postgres"]
    ours = {key: value for key, value in members.config().items() if key in KEYS}
    hosts.shells(dict.fromkeys(everywhere, TO_DEFAULTS))
    hosts.shell(members.leader(), edit(dict.fromkeys(KEYS)))
    # Noticed in the next round of each member: of our loop_wait here, of the default's below.
    time.sleep(3)
    try:
        yield
    finally:
        hosts.shell(members.leader(), edit(ours))
        hosts.shells(dict.fromkeys(everywhere, TO_OURS))
        time.sleep(12)
