"""Every variable that a user may write, in a file for each role. Settings, role defaults, argument_specs and docs come
from this one table."""

from __future__ import annotations

from ..option import Option
from . import databases, etcd, firewall, haproxy, keepalived, patroni, pgbouncer, postgresql, system, tls

BY_ROLE: dict[str, tuple[Option, ...]] = {
    "system": system.OPTIONS,
    "firewall": firewall.OPTIONS,
    "tls": tls.OPTIONS,
    "etcd": etcd.OPTIONS,
    "postgresql": postgresql.OPTIONS,
    "patroni": patroni.OPTIONS,
    "databases": databases.OPTIONS,
    "pgbouncer": pgbouncer.OPTIONS,
    "haproxy": haproxy.OPTIONS,
    "keepalived": keepalived.OPTIONS,
}
ROLES = tuple(BY_ROLE)
# Variables with these beginnings are ours: one that is not in the table is a typing mistake.
PREFIXES = tuple(f"{role}_" for role in ROLES)


def _by_name(*options: Option) -> dict[str, Option]:
    table = {option.name: option for option in options}
    if len(table) != len(options):
        raise ValueError("an option is in the table twice")
    return table


OPTIONS = _by_name(*(option for options in BY_ROLE.values() for option in options))
