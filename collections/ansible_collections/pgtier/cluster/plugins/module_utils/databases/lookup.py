# SPDX-License-Identifier: Apache-2.0
"""The function PgBouncer asks for a login's password, and the statements that make it what it should be.

It runs with the rights of its owner (postgres) and is open to one login that has no other right. It answers nothing,
not even that a name exists, for whoever has no business in the pools: superusers, replication, the tier's own
logins, roles that may not log in, and roles past their `VALID UNTIL` (PgBouncer does not look at that: CVE-2025-2291).
"""

from __future__ import annotations

from collections.abc import Iterator

from .model import MAINTENANCE, NOTHING, PUBLIC, Lookup, Server, Statement
from .roles import LOOKUP_LOGIN, SERVICES
from .sql import grantee, identifier, listed, literal

SCHEMA = "pgbouncer"
_SIGNATURE = "pgbouncer.user_lookup(text)"
# As the server writes them, which leaves out IN.
_ARGUMENTS = "i_username text, OUT uname text, OUT phash text"
_RESULT = "SETOF record"
_SEARCH_PATH = "search_path=pg_catalog, pg_temp"

BODY = f"""
  SELECT rolname::text, rolpassword
  FROM pg_catalog.pg_authid
  WHERE rolname = i_username
    AND rolcanlogin
    AND NOT rolsuper
    AND NOT rolreplication
    AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())
    AND rolname NOT IN ({", ".join(literal(name) for name in sorted(SERVICES))})
"""

WANTED = Lookup(
    shape=(_ARGUMENTS, _RESULT),
    definition=(BODY, "sql", "stable", "definer", _SEARCH_PATH, MAINTENANCE),
    acl={LOOKUP_LOGIN: frozenset({"EXECUTE"})},
)

_CREATE = (
    f"CREATE OR REPLACE FUNCTION pgbouncer.user_lookup({_ARGUMENTS}) RETURNS {_RESULT}\n"
    f"LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp\nAS $lookup${BODY}$lookup$"
)


def plan_lookup(server: Server) -> Iterator[Statement]:
    """Make schema and function, or bring them back to what they should be."""
    yield from _plan_schema(server)
    found = server.lookup
    if found is None or found.shape != WANTED.shape or found.definition != WANTED.definition:
        if found is not None and found.shape != WANTED.shape:
            yield _statement(f"DROP FUNCTION {_SIGNATURE}", "its columns differ, which cannot be replaced in place")
            found = None
        reason = "PgBouncer looks passwords up with it" if found is None else "its definition differs"
        yield _statement(_CREATE, reason)
        if found is not None and found.definition[-1] != MAINTENANCE:
            yield _statement(f"ALTER FUNCTION {_SIGNATURE} OWNER TO {MAINTENANCE}", "it runs with its owner's rights")
    acl = {PUBLIC: frozenset({"EXECUTE"})} if found is None else found.acl
    # The owner's own entry is there once anything has been granted, and takes nothing away from it when it is not.
    for name in sorted(set(acl) - set(WANTED.acl) - {MAINTENANCE}):
        yield _statement(f"REVOKE ALL ON FUNCTION {_SIGNATURE} FROM {grantee(name)}", "it hands out password hashes")
    if not acl.get(LOOKUP_LOGIN, NOTHING):
        yield _statement(
            f"GRANT EXECUTE ON FUNCTION {_SIGNATURE} TO {identifier(LOOKUP_LOGIN)}",
            "PgBouncer logs in as it to look up",
        )


def _plan_schema(server: Server) -> Iterator[Statement]:
    found = server.lookup_schema
    if found is None:
        yield _statement(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {MAINTENANCE}", "PgBouncer's function lives in it")
    elif found.owner != MAINTENANCE:
        # Whoever owns the schema could put a function of their own in the place of ours.
        yield _statement(f"ALTER SCHEMA {SCHEMA} OWNER TO {MAINTENANCE}", f"it belongs to {found.owner}")
    acl = {} if found is None else {name: held for name, held in found.acl.items() if name != found.owner}
    for name, held in sorted(acl.items()):
        excess = held - ({"USAGE"} if name == LOOKUP_LOGIN else NOTHING)
        if excess:
            yield _statement(
                f"REVOKE {listed(excess)} ON SCHEMA {SCHEMA} FROM {grantee(name)}", "only PgBouncer's login uses it"
            )
    if "USAGE" not in acl.get(LOOKUP_LOGIN, NOTHING):
        yield _statement(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {identifier(LOOKUP_LOGIN)}", "PgBouncer's login uses it")


def _statement(sql: str, why: str) -> Statement:
    return Statement(MAINTENANCE, sql, why)
