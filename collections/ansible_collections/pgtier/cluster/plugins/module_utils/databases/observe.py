# SPDX-License-Identifier: Apache-2.0
"""Read from a server what the planner compares with. A few queries a database, whatever the number of objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from .grants import levels_of
from .lookup import SCHEMA
from .model import MAINTENANCE, NOTHING, Acl, Database, Default, Desired, Lookup, Object, Role, Schema, Server
from .roles import FUNCTIONS, SWITCHES

# Runs a query in a database and returns its rows.
Query = Callable[..., list[tuple[Any, ...]]]

_GRANTEE = "CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END"


def _exploded(acl: str, kind: str, owner: str) -> str:
    """SQL for the entries of an access control list. Only what the owner granted: a REVOKE takes back nothing else."""
    return f"LEFT JOIN LATERAL aclexplode(coalesce({acl}, acldefault('{kind}', {owner}))) a ON a.grantor = {owner}"


_SETTINGS = """
SELECT current_setting('server_version_num')::int, coalesce(current_setting('scram_iterations', true)::int, 4096)"""

# Secrets are read for the listed logins only.
_ROLES = f"""
SELECT rolname::text, rolconnlimit, CASE WHEN rolname = ANY (%(names)s) THEN rolpassword END,
       {", ".join(SWITCHES.values())}
FROM pg_authid"""

# A role with CREATEROLE administers the roles it makes through a membership that gives it none of their rights
# (version 16 on). That is no membership in the sense of the inventory.
_MEMBERS = """
SELECT m.rolname::text, r.rolname::text
FROM pg_auth_members x JOIN pg_roles r ON r.oid = x.roleid JOIN pg_roles m ON m.oid = x.member
WHERE m.rolname = ANY (%(names)s)
  AND coalesce((to_jsonb(x) ->> 'inherit_option')::bool OR (to_jsonb(x) ->> 'set_option')::bool, true)"""

_DATABASES = f"""
SELECT d.datname::text, pg_get_userbyid(d.datdba)::text, pg_encoding_to_char(d.encoding)::text,
       {_GRANTEE}, a.privilege_type
FROM pg_database d {_exploded("d.datacl", "d", "d.datdba")}
WHERE d.datname = ANY (%(names)s)"""

_AVAILABLE = """
SELECT e.name::text, v.schema::text
FROM pg_available_extensions e
JOIN pg_available_extension_versions v ON v.name = e.name AND v.version = e.default_version"""

_FUNCTIONS = f"""
SELECT f.signature, {_GRANTEE}
FROM unnest(%(names)s::text[]) f(signature)
JOIN pg_proc p ON p.oid = to_regprocedure(f.signature)
{_exploded("p.proacl", "f", "p.proowner")}"""

_LOOKUP = f"""
SELECT pg_get_function_arguments(p.oid), pg_get_function_result(p.oid),
       p.prosrc, l.lanname::text, CASE p.provolatile WHEN 's' THEN 'stable' ELSE p.provolatile::text END,
       CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END, array_to_string(p.proconfig, '; '),
       pg_get_userbyid(p.proowner)::text,
       {_GRANTEE}, a.privilege_type
FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang {_exploded("p.proacl", "f", "p.proowner")}
WHERE p.oid = to_regprocedure('pgbouncer.user_lookup(text)')"""

_SCHEMAS = f"""
SELECT n.nspname::text, pg_get_userbyid(n.nspowner)::text, {_GRANTEE}, a.privilege_type
FROM pg_namespace n {_exploded("n.nspacl", "n", "n.nspowner")}
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"""

_EXTENSIONS = "SELECT extname::text FROM pg_extension"

_DEFAULTS = f"""
SELECT pg_get_userbyid(d.defaclrole)::text, n.nspname::text,
       CASE d.defaclobjtype WHEN 'r' THEN 'table' WHEN 'S' THEN 'sequence' ELSE 'function' END,
       {_GRANTEE}, a.privilege_type
FROM pg_default_acl d JOIN pg_namespace n ON n.oid = d.defaclnamespace CROSS JOIN LATERAL aclexplode(d.defaclacl) a
WHERE d.defaclobjtype IN ('r', 'S', 'f')"""

# Objects of an extension keep the privileges that the extension gave them.
_OBJECTS = f"""
SELECT n.nspname::text, CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
       format('%%I.%%I', n.nspname, c.relname), pg_get_userbyid(c.relowner)::text, {_GRANTEE}, a.privilege_type
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL aclexplode(coalesce(
  c.relacl, acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))) a
  ON a.grantor = c.relowner
WHERE n.nspname = ANY (%(schemas)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
UNION ALL
SELECT n.nspname::text, 'function',
       format('%%I.%%I(%%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       pg_get_userbyid(p.proowner)::text, {_GRANTEE}, a.privilege_type
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace {_exploded("p.proacl", "f", "p.proowner")}
WHERE n.nspname = ANY (%(schemas)s)
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'e')"""


def observe(desired: Desired, query: Query) -> Server:
    """What the server has of everything in `desired`."""
    version, iterations = query(MAINTENANCE, _SETTINGS)[0]
    functions: dict[str, set[str]] = defaultdict(set)
    for signature, name in query(MAINTENANCE, _FUNCTIONS, names=FUNCTIONS):
        functions[signature].add(name)
    found = _group(query(MAINTENANCE, _DATABASES, names=[MAINTENANCE, *desired.databases]), 3)
    return Server(
        version=version,
        iterations=iterations,
        roles=_roles(desired, query),
        databases={
            name: _database(name, owner, encoding, acl, desired, query)
            for (name, owner, encoding), acl in found.items()
            if name != MAINTENANCE
        },
        available=dict(query(MAINTENANCE, _AVAILABLE)),
        functions={signature: frozenset(names) for signature, names in functions.items()},
        maintenance=next(acl for (name, *_others), acl in found.items() if name == MAINTENANCE),
        lookup_schema=_schemas(query(MAINTENANCE, _SCHEMAS), []).get(SCHEMA),
        lookup=_lookup(query(MAINTENANCE, _LOOKUP)),
    )


def _group(rows: Iterable[tuple[Any, ...]], width: int) -> dict[tuple[Any, ...], Acl]:
    """Rows of (what..., grantee, privilege) to what: {grantee: privileges}. An empty list has one row of nulls."""
    grouped: dict[tuple[Any, ...], dict[str, frozenset[str]]] = {}
    for row in rows:
        acl = grouped.setdefault(row[:width], {})
        name, privilege = row[width:]
        if privilege is not None:
            acl[name] = acl.get(name, NOTHING) | {privilege}
    return dict(grouped)


def _roles(desired: Desired, query: Query) -> dict[str, Role]:
    names = list(desired.users)
    members: dict[str, set[str]] = defaultdict(set)
    for member, role in query(MAINTENANCE, _MEMBERS, names=names):
        members[member].add(role)
    return {
        name: Role(
            attributes=frozenset(switch for switch, on in zip(SWITCHES, switches, strict=True) if on),
            connection_limit=limit,
            member_of=frozenset(members[name]),
            password=secret,
        )
        for name, limit, secret, *switches in query(MAINTENANCE, _ROLES, names=names)
    }


def _lookup(rows: list[tuple[Any, ...]]) -> Lookup | None:
    for what, acl in _group(rows, 8).items():
        return Lookup(shape=what[:2], definition=what[2:], acl=acl)
    return None


def _schemas(rows: list[tuple[Any, ...]], objects: list[tuple[Any, ...]]) -> dict[str, Schema]:
    inside: dict[str, list[Object]] = defaultdict(list)
    for (schema, kind, name, owner), acl in _group(objects, 4).items():
        inside[schema].append(Object(kind, name, owner, acl))
    return {name: Schema(owner, acl, tuple(inside[name])) for (name, owner), acl in _group(rows, 2).items()}


def _database(name: str, owner: str, encoding: str, acl: Acl, desired: Desired, query: Query) -> Database:
    defaults: dict[Default, frozenset[str]] = {}
    for creator, schema, kind, grantee, privilege in query(name, _DEFAULTS):
        default = Default(creator, schema, kind, grantee)
        defaults[default] = defaults.get(default, NOTHING) | {privilege}
    # Objects are read where grants are looked after, and nowhere else.
    looked_after = {schema for _login, schema in levels_of(desired, name)}
    looked_after |= {default.schema for default in defaults if default.grantee in desired.users}
    objects = query(name, _OBJECTS, schemas=sorted(looked_after)) if looked_after else []
    return Database(
        owner=owner,
        encoding=encoding,
        acl=acl,
        extensions=frozenset(extension for (extension,) in query(name, _EXTENSIONS)),
        schemas=_schemas(query(name, _SCHEMAS), objects),
        defaults=defaults,
    )
