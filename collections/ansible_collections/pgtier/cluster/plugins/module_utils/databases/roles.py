# SPDX-License-Identifier: Apache-2.0
"""Logins: what the tier's own may do, and the statements that bring every listed login to what is asked for.

A listed login is exactly what the inventory says: an attribute or membership that is not listed is taken away.
Logins that are not listed are never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .. import scram
from .model import MAINTENANCE, NOTHING, Desired, Role, Server, Statement, WantedUser
from .sql import identifier, listed, literal

LOOKUP_LOGIN = "pgbouncer_auth"
# What a role is or is not, with the column of pg_authid that tells.
SWITCHES = {
    "BYPASSRLS": "rolbypassrls",
    "CREATEDB": "rolcreatedb",
    "CREATEROLE": "rolcreaterole",
    "INHERIT": "rolinherit",
    "LOGIN": "rolcanlogin",
    "REPLICATION": "rolreplication",
    "SUPERUSER": "rolsuper",
}
# What CREATE ROLE makes when it is told nothing.
_FRESH = Role(frozenset({"INHERIT"}))
_ALWAYS = frozenset({"LOGIN", "INHERIT"})


@dataclass(frozen=True)
class Service:
    """What a login of the tier may run, besides its attributes and memberships, which the plan has."""

    purpose: str
    functions: frozenset[str] = NOTHING
    connects_everywhere: bool = False
    connects_to_maintenance: bool = False


SERVICES = {
    "replicator": Service("replicas stream with it"),
    "rewind": Service(
        "pg_rewind reads the new primary's files with it",
        # What pg_rewind's manual asks for instead of a superuser.
        functions=frozenset(
            {
                "pg_catalog.pg_ls_dir(text, boolean, boolean)",
                "pg_catalog.pg_stat_file(text, boolean)",
                "pg_catalog.pg_read_binary_file(text)",
                "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
            }
        ),
        connects_to_maintenance=True,
    ),
    LOOKUP_LOGIN: Service("PgBouncer looks passwords up with it", connects_to_maintenance=True),
    "pgtier_monitor": Service(
        "monitoring reads statistics with it", connects_everywhere=True, connects_to_maintenance=True
    ),
}
FUNCTIONS = sorted({function for service in SERVICES.values() for function in service.functions})


def attributes_of(user: WantedUser) -> frozenset[str]:
    """The switches that are on: `NOINHERIT` and its like take one away, everything else adds one."""
    asked = {attribute.upper() for attribute in user["attributes"]}
    return (_ALWAYS | asked & SWITCHES.keys()) - {name.removeprefix("NO") for name in asked - SWITCHES.keys()}


def check_roles(desired: Desired, server: Server) -> Iterator[str]:
    """What is wrong with the listed logins, before anything is done."""
    for name, user in desired.users.items():
        if user["service"] and name not in SERVICES:
            yield f"user `{name}` is marked as a service, and the tier's services are {listed(SERVICES)}"
            continue
        unknown = {a.upper() for a in user["attributes"]} - SWITCHES.keys() - {f"NO{switch}" for switch in SWITCHES}
        if unknown:
            yield (
                f"user `{name}`, attributes: unknown {listed(unknown)}; known are {listed(SWITCHES)}, each also "
                "with NO before it"
            )
        if name not in server.roles and name not in desired.passwords and "LOGIN" in attributes_of(user):
            yield f"user `{name}` has no password: give one in databases_users, or pass those of pgtier.cluster.secrets"
        # Roles that come with PostgreSQL are not checked: which there are depends on its version.
        absent = {role for role in user["member_of"] if not role.startswith("pg_")}
        absent -= set(server.roles) | set(desired.users)
        if absent:
            yield (
                f"user `{name}`, member_of: no role {listed(absent)} on the server nor in databases_users; "
                "list it there or create it"
            )


def plan_roles(desired: Desired, server: Server) -> Iterator[Statement]:
    """Roles first and memberships after them, because a membership may name a role that is new too."""
    for user in desired.users.values():
        yield from _plan_role(user, desired.passwords.get(user["name"]), server)
    for user in desired.users.values():
        yield from _plan_memberships(user, server)
    for name in sorted(desired.users.keys() & SERVICES.keys()):
        yield from _plan_functions(name, server)


def _plan_role(user: WantedUser, password: str | None, server: Server) -> Iterator[Statement]:
    name, attributes = user["name"], attributes_of(user)
    found = server.roles.get(name)
    before = found or _FRESH
    options = [
        switch if switch in attributes else f"NO{switch}"
        for switch in sorted(SWITCHES)
        if (switch in attributes) != (switch in before.attributes)
    ]
    if user["connection_limit"] != before.connection_limit:
        options.append(f"CONNECTION LIMIT {user['connection_limit']}")
    shown = list(options)
    # A role that cannot log in needs no password; one that it has from another time stays.
    if password is not None and "LOGIN" in attributes and not scram.matches(before.password, password):
        options.append(f"PASSWORD {literal(scram.build(password, iterations=server.iterations))}")
        shown.append("PASSWORD '********'")
    if found and not options:
        return
    verb, why = ("ALTER", "differs from the inventory") if found else ("CREATE", "no such role yet")
    if user["service"]:
        why += f"; {SERVICES[name].purpose}"
    start = f"{verb} ROLE {identifier(name)}"
    yield Statement(
        MAINTENANCE, " ".join([start, *options]), why, shown="" if shown == options else " ".join([start, *shown])
    )


def _plan_memberships(user: WantedUser, server: Server) -> Iterator[Statement]:
    name, wanted = user["name"], frozenset(user["member_of"])
    held = server.roles[name].member_of if name in server.roles else NOTHING
    for role in sorted(wanted - held):
        yield Statement(MAINTENANCE, f"GRANT {identifier(role)} TO {identifier(name)}", "member_of lists it")
    for role in sorted(held - wanted):
        yield Statement(MAINTENANCE, f"REVOKE {identifier(role)} FROM {identifier(name)}", "member_of does not list it")


def _plan_functions(name: str, server: Server) -> Iterator[Statement]:
    service = SERVICES[name]
    for function in sorted(service.functions):
        if name not in server.functions.get(function, NOTHING):
            yield Statement(MAINTENANCE, f"GRANT EXECUTE ON FUNCTION {function} TO {identifier(name)}", service.purpose)
