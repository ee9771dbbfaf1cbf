# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.secrets import (
    LENGTH,
    Passwords,
    SecretsError,
    check_given,
    complete,
    generate,
    parse,
    serialise,
)

NONE: Passwords = {"users": {}, "services": {}}


def stored(**users: str) -> Passwords:
    return {"users": users, "services": {}}


def test_a_password_needs_no_quoting_and_is_no_other() -> None:
    made = {generate() for _time in range(100)}
    assert len(made) == 100
    assert all(len(password) == LENGTH and password.isascii() and password.isalnum() for password in made)


@pytest.mark.parametrize(
    ("before", "users", "services", "given", "use", "keep"),
    [
        (
            NONE,
            ["a"],
            ["s"],
            {},
            {"users": {"a": "1"}, "services": {"s": "2"}},
            {"users": {"a": "1"}, "services": {"s": "2"}},
        ),
        (stored(a="old"), ["a"], [], {}, stored(a="old"), stored(a="old")),
        (stored(a="old"), ["a", "b"], [], {}, stored(a="old", b="1"), stored(a="old", b="1")),
        # Given: wins, is not stored, and what was stored stays.
        (stored(a="old"), ["a"], [], {"a": "mine"}, stored(a="mine"), stored(a="old")),
        (NONE, ["a"], [], {"a": "mine"}, stored(a="mine"), NONE),
        (
            NONE,
            ["a"],
            ["a"],
            {"a": "mine"},
            {"users": {"a": "mine"}, "services": {"a": "1"}},
            {"users": {}, "services": {"a": "1"}},
        ),
        # Not asked for: kept, not returned.
        (stored(gone="old"), [], [], {"b": "x"}, NONE, stored(gone="old")),
    ],
)
def test_complete(
    before: Passwords, users: list[str], services: list[str], given: dict[str, str], use: Passwords, keep: Passwords
) -> None:
    numbers = count(1)
    assert complete(before, users, services, given, lambda: str(next(numbers))) == (use, keep)


def test_a_renewed_password_is_another_and_all_others_stay() -> None:
    before: Passwords = {"users": {"a": "old", "b": "old"}, "services": {"s": "old", "t": "old"}}
    numbers = count(1)
    use, keep = complete(before, ["a", "b"], ["s"], {}, lambda: str(next(numbers)), renew=["a", "s"])
    assert use == {"users": {"a": "1", "b": "old"}, "services": {"s": "2"}}
    assert keep == {"users": {"a": "1", "b": "old"}, "services": {"s": "2", "t": "old"}}


def test_what_cannot_be_renewed_is_told_at_once() -> None:
    with pytest.raises(SecretsError) as caught:
        complete(stored(a="old"), ["a", "mine"], ["s"], {"mine": "x"}, renew=["mine", "nobody", "a"])
    assert "`mine` cannot be renewed: its password is given in databases_users" in str(caught.value)
    assert "`nobody` cannot be renewed: there is no such login or service; there are a, s" in str(caught.value)


def test_what_is_stored_is_read_again() -> None:
    passwords: Passwords = {"users": {"ä": 'pä"ß\\'}, "services": {"s": "x"}}
    assert parse(serialise(passwords), "file") == passwords
    assert parse(None, "file") == NONE


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("users: {}", "is not JSON"),
        ("[]", "`users` and `services` and nothing else"),
        ('{"users": {}}', "`users` and `services` and nothing else"),
        ('{"users": {}, "services": {}, "more": {}}', "nothing else"),
        ('{"users": [], "services": {}}', "`users` has to map"),
        ('{"users": {}, "services": {"a": ""}}', "`services` has to map"),
        ('{"users": {"a": 5}, "services": {}}', "`users` has to map"),
    ],
)
def test_a_malformed_file_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SecretsError, match="Restore it from a backup") as caught:
        parse(text, "/x/passwords.json")
    assert problem in str(caught.value)
    assert str(caught.value).startswith("/x/passwords.json")


@pytest.mark.parametrize("password", ["line\n", "a\rb", "\x00", "tab\t", "\x7f", "\u2028", "", None, 5])
def test_a_given_password_that_files_cannot_carry_is_refused(password: Any) -> None:
    with pytest.raises(SecretsError, match="`bad`") as caught:
        check_given({"good": "x", "bad": password})
    assert "`good`" not in str(caught.value)


@pytest.mark.parametrize("password", ["x", "with space", "pä'ß: wört\\", '"', "%", "@:/?#"])
def test_any_other_is_taken(password: str) -> None:
    check_given({"user": password})
