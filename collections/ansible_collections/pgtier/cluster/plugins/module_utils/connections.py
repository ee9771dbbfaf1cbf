# SPDX-License-Identifier: Apache-2.0
"""How programs and people connect: URIs for the ones, a .pgpass file and lines to paste for the others."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from .plan.schema import Plan
from .plan.schema.databases import Database, User
from .plan.schema.endpoints import Endpoint

# {database: {user: {endpoint: URI}}}
Connections = dict[str, dict[str, dict[str, str]]]


# libpq's parameters as variables of the environment.
_VARIABLES = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "hostaddr": "PGHOSTADDR",
    "channel_binding": "PGCHANNELBINDING",
}


class ConnectionsError(ValueError):
    """The connections cannot be written down. The text says what is missing."""


def connections(plan: Plan, passwords: Mapping[str, str], ca_file: str) -> Connections:
    """A URI for each database, user that may connect to it, and endpoint.

    Any of the hosts will do, because every proxy leads to the same members; a client tries them in order. Beside hosts
    and password there is only what verifies the server, by the certificates in `ca_file`, for other drivers than libpq
    hand what they do not know to the server, which refuses it.
    """
    users = _users(plan, passwords)
    return {
        database: {
            user: {
                name: uri(endpoint, database, user, passwords[user], ca_file if plan["tls"]["enabled"] else "")
                for name, endpoint in plan["endpoints"].items()
            }
            for user in users
            if database in users[user]["databases"]
        }
        for database in plan["databases"]
    }


def uri(endpoint: Endpoint, database: str, user: str, password: str, ca_file: str = "") -> str:
    """With a `ca_file`, one that verifies the server, where the endpoint leads to by the name that it has there."""
    names = _names(endpoint)
    hosts = ",".join(f"[{host}]:{endpoint['port']}" if ":" in host else f"{host}:{endpoint['port']}" for host in names)
    parameters = _verification(endpoint, ca_file) if ca_file else {}
    query = "&".join(f"{key}={quote(value, safe='/,:')}" for key, value in parameters.items())
    return (
        f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{hosts}/{quote(database, safe='')}"
        f"{'?' if query else ''}{query}"
    )


def _names(endpoint: Endpoint) -> list[str]:
    """What stands for `host` in a connection: the name to verify, where that is not the host connected to."""
    return [endpoint["server_name"]] * len(endpoint["hosts"]) if endpoint["server_name"] else endpoint["hosts"]


def _verification(endpoint: Endpoint, ca_file: str) -> dict[str, str]:
    found = {"sslmode": "verify-full", "sslrootcert": ca_file}
    if endpoint["server_name"]:
        found["hostaddr"] = ",".join(endpoint["hosts"])
    if endpoint["pool_mode"] is None:
        # PgBouncer does not offer it; PostgreSQL itself does.
        found["channel_binding"] = "require"
    return found


def serialise(wanted: Connections) -> str:
    return json.dumps(wanted, indent=2) + "\n"


def pgpass(plan: Plan, passwords: Mapping[str, str]) -> str:
    """The same as a password file of libpq: host:port:database:user:password, colons and backslashes escaped."""
    lines = [
        ":".join(_escape(field) for field in (host, str(endpoint["port"]), database, name, passwords[name]))
        for endpoint in plan["endpoints"].values()
        for host in _names(endpoint)
        for name, user in _users(plan, passwords).items()
        for database in user["databases"]
    ]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def endpoint_summary(plan: Plan, directory: str) -> list[str]:
    """What each endpoint is for, with a line to paste that asks for no password and shows none.

    `directory` holds the password file, as a path that is right where the line is pasted.
    """
    return [line for endpoint in plan["endpoints"].values() for line in _block(plan, endpoint, directory)]


def _block(plan: Plan, endpoint: Endpoint, directory: str) -> Iterator[str]:
    pooled = f"{endpoint['pool_mode']} pool" if endpoint["pool_mode"] else "not pooled"
    yield f"{endpoint['name']}, port {endpoint['port']} ({pooled}): {endpoint['purpose']}"
    for database in list(plan["databases"].values())[:1]:
        user = _somebody(plan, database)
        if user:
            settings = {"PGPASSFILE": f"{directory}/pgpass"}
            if plan["tls"]["enabled"]:
                for key, value in _verification(endpoint, f"{directory}/ca.crt").items():
                    settings[_VARIABLES[key]] = value
            shown = " ".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
            arguments = ["psql", "-h", ",".join(_names(endpoint)), "-p", str(endpoint["port"]), "-U", user]
            yield f"  {shown} {shlex.join([*arguments, database['name']])}"


def _somebody(plan: Plan, database: Database) -> str | None:
    """The owner if it can log in, else the first user who may connect."""
    able = [name for name, user in plan["users"].items() if _is_client(user) and database["name"] in user["databases"]]
    return database["owner"] if database["owner"] in able else next(iter(able), None)


def _is_client(user: User) -> bool:
    return not user["service"] and "NOLOGIN" not in user["attributes"]


def _users(plan: Plan, passwords: Mapping[str, str]) -> dict[str, User]:
    users = {name: user for name, user in plan["users"].items() if _is_client(user)}
    missing = sorted(set(users) - set(passwords))
    if missing:
        raise ConnectionsError(
            f"no password for {', '.join(missing)}: pass `users` of what pgtier.cluster.secrets returns for this plan"
        )
    return users


def _escape(field: str) -> str:
    return field.replace("\\", "\\\\").replace(":", "\\:")
