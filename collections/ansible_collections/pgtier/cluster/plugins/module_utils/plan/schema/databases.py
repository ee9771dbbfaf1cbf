"""Databases, and who may do what in them."""

from __future__ import annotations

from typing import Literal, TypedDict


class Database(TypedDict):
    name: str
    owner: str
    encoding: str
    extensions: list[str]
    schemas: list[dict[str, str]]


class Grant(TypedDict):
    """`privilege` is `read`, `write` or `all` on the objects of `schema`, present and future."""

    database: str
    schema: str
    privilege: Literal["read", "write", "all"]


class User(TypedDict):
    """A login. `databases` are those it may connect to (owned or granted). `service` users are the tier's own."""

    name: str
    service: bool
    databases: list[str]
    grants: list[Grant]
    attributes: list[str]
    member_of: list[str]
    connection_limit: int
