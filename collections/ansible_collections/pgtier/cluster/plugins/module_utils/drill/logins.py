# SPDX-License-Identifier: Apache-2.0
"""How a drill's clients connect: as an application should that wants the other proxy when one is gone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

# A proxy that hangs takes its clients five seconds, not the kernel's quarter of an hour.
SETTINGS = {
    "connect_timeout": "5",
    "load_balance_hosts": "random",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}


class LoginError(ValueError):
    """No user to run a drill as. The text says which there are."""


def logins(
    connections: Mapping[str, Mapping[str, Mapping[str, str]]], database: str = "", user: str = ""
) -> dict[str, str]:
    """URIs by endpoint, of a user who may make a schema in the database. Without names, the first of each."""
    database = database or next(iter(connections), "")
    if database not in connections:
        raise LoginError(f"drill_database {database!r}: there is none; there are {', '.join(connections) or 'none'}")
    users = connections[database]
    user = user or next(iter(users), "")
    if user not in users:
        raise LoginError(f"drill_user {user!r} has no access to {database!r}; there are {', '.join(users) or 'none'}")
    return {endpoint: with_settings(uri) for endpoint, uri in users[user].items()}


def with_settings(uri: str) -> str:
    return uri + ("&" if "?" in uri else "?") + "&".join(f"{key}={value}" for key, value in SETTINGS.items())
