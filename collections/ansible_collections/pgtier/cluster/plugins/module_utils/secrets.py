# SPDX-License-Identifier: Apache-2.0
"""Which passwords a run uses: given by the user, kept from an earlier run, or made now."""

from __future__ import annotations

import json
import secrets
import string
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TypedDict

LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits


class Passwords(TypedDict):
    """Passwords by name: of database logins, and of services that are no login of PostgreSQL."""

    users: dict[str, str]
    services: dict[str, str]


class SecretsError(ValueError):
    """The stored or given passwords cannot be used. The text says which and what to do."""


def generate() -> str:
    """Letters and digits only, which no file format has to quote. 32 of them hold 190 bits."""
    return "".join(secrets.choice(_ALPHABET) for _position in range(LENGTH))


def parse(text: str | None, where: str) -> Passwords:
    """What the file `where` holds. Refuses what it does not understand: a password replaced by a new one locks out."""
    if text is None:
        return {"users": {}, "services": {}}
    remedy = "Restore it from a backup; deleting it makes new passwords for everybody at the next run."
    try:
        stored = json.loads(text)
    except ValueError as error:
        raise SecretsError(f"{where} is not JSON ({error}). {remedy}") from error
    if not isinstance(stored, dict) or set(stored) != {"users", "services"}:
        raise SecretsError(f"{where} has to be an object with `users` and `services` and nothing else. {remedy}")
    for kind, names in stored.items():
        if not isinstance(names, dict) or not all(isinstance(p, str) and p for p in names.values()):
            raise SecretsError(f"{where}: `{kind}` has to map names to passwords that are not empty. {remedy}")
    return {"users": stored["users"], "services": stored["services"]}


def serialise(passwords: Passwords) -> str:
    return json.dumps(passwords, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def check_given(given: Mapping[str, object]) -> None:
    """Refuse passwords that a configuration file, a .pgpass line or a URI cannot carry."""
    problems = []
    for name, password in sorted(given.items()):
        if not isinstance(password, str) or not password:
            problems.append(f"the password given for `{name}` has to be a text that is not empty (quote it in YAML)")
        elif any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in password):
            problems.append(
                f"the password given for `{name}` has a line break or another control character; a line break at the "
                "end often comes from `>` or `|` in YAML or from the file that was put in the vault"
            )
    if problems:
        raise SecretsError("; ".join(problems) + ". Correct `password` in databases_users.")


def complete(
    stored: Passwords,
    users: Iterable[str],
    services: Iterable[str],
    given: Mapping[str, str],
    make: Callable[[], str] = generate,
    renew: Iterable[str] = (),
) -> tuple[Passwords, Passwords]:
    """The passwords to use, and those to store.

    A given password wins and is not stored: the user keeps it elsewhere. What is stored for a name that is not asked
    for stays, so that a user taken out of the inventory by mistake comes back with the same password. Those to `renew`
    are made anew.
    """
    users, services, renew = list(users), list(services), set(renew)
    if problems := _not_renewable(renew, {*users, *services}, given):
        raise SecretsError("; ".join(problems))
    keep: Passwords = {
        "users": {name: password for name, password in stored["users"].items() if name not in renew},
        "services": {name: password for name, password in stored["services"].items() if name not in renew},
    }
    for name in users:
        if name not in given and name not in keep["users"]:
            keep["users"][name] = make()
    for name in services:
        if name not in keep["services"]:
            keep["services"][name] = make()
    use: Passwords = {
        "users": {name: given[name] if name in given else keep["users"][name] for name in users},
        "services": {name: keep["services"][name] for name in services},
    }
    return use, keep


def _not_renewable(renew: set[str], known: set[str], given: Mapping[str, str]) -> list[str]:
    return [
        f"`{name}` cannot be renewed: "
        + (
            "its password is given in databases_users; write a new one there"
            if name in given
            else f"there is no such login or service; there are {', '.join(sorted(known - given.keys()))}"
        )
        for name in sorted(renew)
        if name in given or name not in known
    ]
