# SPDX-License-Identifier: Apache-2.0
"""What the inventory asks of a server, what is found there, and the statements that lie between the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, NotRequired, TypedDict

# Access control lists name roles; this name stands for everybody, and no role can have it.
PUBLIC = "public"
# Where statements run that concern the whole server.
MAINTENANCE = "postgres"

Kind = Literal["table", "sequence", "function"]
Privileges = frozenset[str]
Acl = Mapping[str, Privileges]
NOTHING: Privileges = frozenset()
# What everybody may do with a database that was just made.
FRESH_DATABASE: Acl = {PUBLIC: frozenset({"CONNECT", "TEMPORARY"})}


class WantedGrant(TypedDict):
    database: str
    schema: str
    privilege: Literal["read", "write", "all"]


class WantedSchema(TypedDict):
    name: str
    owner: NotRequired[str]


class WantedDatabase(TypedDict):
    name: str
    owner: str
    encoding: str
    extensions: list[str]
    schemas: list[WantedSchema]


class WantedUser(TypedDict):
    name: str
    service: bool
    databases: list[str]
    grants: list[WantedGrant]
    attributes: list[str]
    member_of: list[str]
    connection_limit: int


@dataclass(frozen=True)
class Desired:
    """`databases` and `users` as the plan has them; `lookup`: PgBouncer's function is wanted."""

    databases: Mapping[str, WantedDatabase]
    users: Mapping[str, WantedUser]
    passwords: Mapping[str, str] = field(repr=False)
    lookup: bool = True


@dataclass(frozen=True)
class Role:
    attributes: Privileges
    connection_limit: int = -1
    member_of: frozenset[str] = NOTHING
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Object:
    """A table, sequence or function. `name` is quoted and qualified, ready for a statement."""

    kind: Kind
    name: str
    owner: str
    acl: Acl


@dataclass(frozen=True)
class Schema:
    owner: str
    acl: Acl
    objects: tuple[Object, ...] = ()


class Default(NamedTuple):
    """Whose future objects of what kind in which schema are open to whom."""

    creator: str
    schema: str
    kind: Kind
    grantee: str


@dataclass(frozen=True)
class Database:
    owner: str
    encoding: str
    acl: Acl
    extensions: frozenset[str]
    schemas: Mapping[str, Schema]
    defaults: Mapping[Default, Privileges] = field(default_factory=dict)


@dataclass(frozen=True)
class Lookup:
    """PgBouncer's function. `shape` is what CREATE OR REPLACE cannot change, `definition` all that it can."""

    shape: tuple[str, ...]
    definition: tuple[str, ...]
    acl: Acl


@dataclass(frozen=True)
class Server:
    """`available` maps an extension to the one schema it can be in, or to None. `functions`: who may run them.
    `maintenance`: who may do what with the database where statements run that concern the whole server."""

    version: int
    iterations: int
    roles: Mapping[str, Role]
    databases: Mapping[str, Database]
    available: Mapping[str, str | None]
    functions: Mapping[str, frozenset[str]]
    maintenance: Acl
    lookup_schema: Schema | None = None
    lookup: Lookup | None = None


@dataclass(frozen=True)
class Statement:
    """One step. `shown` is `sql` without its secret; `alone` runs outside of a transaction."""

    database: str
    sql: str = field(repr=False)
    why: str
    shown: str = ""
    alone: bool = False

    @property
    def text(self) -> str:
        return self.shown or self.sql

    @property
    def secret(self) -> bool:
        return bool(self.shown)


class PlanError(Exception):
    """What cannot be converged. One text a problem, each with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
