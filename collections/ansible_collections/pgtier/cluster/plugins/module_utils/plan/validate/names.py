"""Names that PostgreSQL, Patroni or PgBouncer refuse, names given twice, and names of what does not exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from .. import pooler_databases
from ..logins import POOLER_ADMIN, SERVICE_USERS, SUPERUSER
from ..mistakes import Mistake, show
from .subject import Subject

_MOST_BYTES = 63
_HOST = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_ROLES = frozenset((SUPERUSER, POOLER_ADMIN, *SERVICE_USERS))
# Words of SQL and of pg_hba that mean something else where a role's name may stand.
_NO_ROLE = frozenset(("public", "none", "all", "user", "current_user", "current_role", "session_user"))
# Databases of PostgreSQL and of PgBouncer, and words of pg_hba.
_NO_DATABASE = frozenset(("postgres", "template0", "template1", *pooler_databases.OWN)) | frozenset(
    ("all", "sameuser", "samerole", "samegroup", "replication")
)


def hosts(subject: Subject) -> Iterator[Mistake]:
    slots: dict[str, str] = {}
    for host in subject.inventory.hosts:
        if not _HOST.fullmatch(host) or len(host) > _MOST_BYTES:
            yield Mistake(
                f"host {host}",
                "",
                "",
                "its name cannot be that of a member of Patroni or etcd",
                f"Begin with a letter or digit, go on with those, dots, hyphens, underscores; {_MOST_BYTES} in all.",
            )
    for host in subject.inventory.members("postgres"):
        # Patroni's slot_name_from_member_name: one slot would serve two members.
        slot = re.sub(r"[.-]", "_", host.lower())
        if slot in slots:
            yield Mistake(
                f"host {host}",
                "",
                "",
                f"would use the same replication slot, {slot}, as host {slots[slot]}",
                "Rename one: case, dots, hyphens and underscores make no difference in slot names.",
            )
        slots.setdefault(slot, host)


def scope(subject: Subject) -> Iterator[Mistake]:
    for variable in ("patroni_scope", "etcd_token"):
        value = subject.settings[variable]
        if value is not None and (not _HOST.fullmatch(value) or len(value) > _MOST_BYTES):
            yield Mistake(
                "cluster",
                variable,
                show(value),
                "cannot be used as a name in etcd",
                f"Use letters, digits, dots, hyphens and underscores, {_MOST_BYTES} at most.",
            )


def databases(subject: Subject) -> Iterator[Mistake]:
    entries = subject.settings["databases"]
    users = {entry["name"] for entry in subject.settings["databases_users"]}
    yield from _twice("databases", entries)
    for index, entry in enumerate(entries):
        path = f"databases[{index}]"
        yield from _identifier(f"{path}.name", entry["name"], _NO_DATABASE)
        yield from _owner(f"{path}.owner", entry["owner"], users)
        yield from _twice(f"{path}.schemas", entry["schemas"])
        for number, schema in enumerate(entry["schemas"]):
            inner = f"{path}.schemas[{number}]"
            yield from _identifier(f"{inner}.name", schema["name"], ("information_schema",), "pg_")
            if schema["owner"] is not None:
                yield from _owner(f"{inner}.owner", schema["owner"], users)
        for number, name in enumerate(entry["extensions"]):
            yield from _identifier(f"{path}.extensions[{number}]", name, ())


def users(subject: Subject) -> Iterator[Mistake]:
    entries = subject.settings["databases_users"]
    schemas = {
        database["name"]: {"public", *(schema["name"] for schema in database["schemas"])}
        for database in subject.settings["databases"]
    }
    members = {entry["name"]: entry["member_of"] for entry in entries}
    yield from _twice("databases_users", entries)
    for index, entry in enumerate(entries):
        path = f"databases_users[{index}]"
        yield from _identifier(f"{path}.name", entry["name"], _NO_ROLE | _ROLES, "pg_")
        yield from _grants(path, entry["grants"], schemas)
        yield from _membership(path, entry, members)


def _grants(path: str, grants: Iterable[dict[str, Any]], schemas: dict[str, set[str]]) -> Iterator[Mistake]:
    for number, grant in enumerate(grants):
        database, schema = grant["database"], grant["schema"]
        if database and database not in schemas:
            yield Mistake(
                "cluster",
                f"{path}.grants[{number}].database",
                show(database),
                "is not one of the databases",
                _existing(schemas, "databases"),
            )
        elif database and schema not in schemas[database]:
            yield Mistake(
                "cluster",
                f"{path}.grants[{number}].schema",
                show(schema),
                f"is not a schema of database {database}",
                _existing(schemas[database], "its schemas"),
            )


def _membership(path: str, entry: dict[str, Any], members: dict[str, list[str]]) -> Iterator[Mistake]:
    for number, role in enumerate(entry["member_of"]):
        where = f"{path}.member_of[{number}]"
        if role not in members and not role.startswith("pg_"):
            yield Mistake(
                "cluster",
                where,
                show(role),
                "is not one of the users, nor a predefined role",
                _existing(members, "databases_users"),
            )
        elif entry["name"] in _reachable(role, members):
            yield Mistake(
                "cluster",
                where,
                show(role),
                f"makes {entry['name']} a member of itself",
                "Remove it, or the membership the other way round.",
            )


def _reachable(role: str, members: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [role]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += members.get(name, [])
    return found


def _owner(path: str, owner: str, users: Collection[str]) -> Iterator[Mistake]:
    if owner and owner not in users:
        yield Mistake("cluster", path, show(owner), "is not one of the users", _existing(users, "databases_users"))


def _existing(names: Collection[str], variable: str) -> str:
    known = ", ".join(sorted(name for name in names if name))
    return f"Add it to {variable}, or use one that is there: {known}." if known else f"Add it to {variable}."


def _identifier(path: str, name: str, reserved: Collection[str], prefix: str = "") -> Iterator[Mistake]:
    """A name that PostgreSQL takes, and that needs no quotes in the files of PgBouncer and pg_hba."""
    if not name:
        return
    if len(name.encode()) > _MOST_BYTES:
        yield Mistake(
            "cluster", path, show(name), "is longer than PostgreSQL's 63 bytes", f"Shorten it to {_MOST_BYTES} bytes."
        )
    elif not _IDENTIFIER.fullmatch(name):
        yield Mistake(
            "cluster",
            path,
            show(name),
            "is not a name that every part of the cluster takes",
            "Use letters without accents, digits, hyphens and underscores, and begin with a letter or underscore.",
        )
    elif name.lower() in reserved or (prefix and name.lower().startswith(prefix)):
        yield Mistake("cluster", path, show(name), "is reserved", "Use another name.")


def _twice(path: str, entries: Iterable[dict[str, Any]]) -> Iterator[Mistake]:
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry["name"]
        if name and name in first:
            yield Mistake(
                "cluster",
                f"{path}[{index}].name",
                show(name),
                f"is listed twice, first as {path}[{first[name]}]",
                "Merge the two into one.",
            )
        first.setdefault(name, index)
