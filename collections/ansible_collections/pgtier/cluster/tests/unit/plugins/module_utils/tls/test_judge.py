# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import timedelta

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import judge
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.judge import Facts
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import Host

from .authorities import NOW


def host(*names: str, client: bool = False) -> Host:
    return Host("pg1", frozenset(n for n in names if ":" not in n), frozenset(n for n in names if ":" in n), client)


def facts(*names: str, server: bool = True, client: bool = False, left: timedelta = timedelta(days=100)) -> Facts:
    wanted = host(*names)
    return Facts(wanted.names, wanted.addresses, server, client, NOW - timedelta(minutes=5), NOW + left)


@pytest.mark.parametrize(
    ("wanted", "stored", "reason"),
    [
        (host("pg1", "fd00::1"), facts("fd00::1", "pg1"), None),
        (host("pg1", "vip"), facts("pg1"), "names or addresses changed: +vip"),
        (host("pg1"), facts("pg1", "vip"), "names or addresses changed: -vip"),
        (host("pg1", "fd00::2"), facts("pg1", "fd00::1"), "names or addresses changed: +fd00::2, -fd00::1"),
        (host("pg1", client=True), facts("pg1"), "it is to serve as a client certificate too"),
        (host("pg1"), facts("pg1", client=True), "it is to serve no longer as a client"),
        (host("pg1"), facts("pg1", server=False), "it is not for a server"),
        (host("pg1"), facts("pg1", left=timedelta(days=-1)), None),
    ],
)
def test_what_makes_a_stored_certificate_unfit(wanted: Host, stored: Facts, reason: str | None) -> None:
    assert judge.why_reissue(wanted, stored) == reason


@pytest.mark.parametrize(
    ("wanted", "given", "missing"),
    [
        (host("pg1"), facts("pg1", "more", client=True), []),
        (host("pg1.example.com"), facts("*.example.com"), []),
        (host("a.pg1.example.com"), facts("*.example.com"), ["it is not made out to a.pg1.example.com"]),
        (host("example.com"), facts("*.example.com"), ["it is not made out to example.com"]),
        (host("pg1"), facts("*."), ["it is not made out to pg1"]),
        (host("pg1", "fd00::1"), facts("fd00::2"), ["it is not made out to pg1", "it is not made out to fd00::1"]),
        (host("pg1"), facts("pg1", server=False), ["its extended key usage lacks serverAuth"]),
        (host("pg1", client=True), facts("pg1"), ["its extended key usage lacks clientAuth"]),
    ],
)
def test_what_a_given_certificate_lacks(wanted: Host, given: Facts, missing: list[str]) -> None:
    assert judge.shortcomings(wanted, given) == missing


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("left", "days_left", "problem"),
    [
        (timedelta(days=14), 14, None),
        (timedelta(days=14) - SECOND, 13, "within 14 days"),
        (SECOND, 0, "within 14 days"),
        (timedelta(0), 0, "expired on 2030-06-15T12:00:00Z. Remedy"),
        (-SECOND, -1, "expired on 2030-06-15T11:59:59Z. Remedy"),
    ],
)
def test_the_bounds_of_expiry(left: timedelta, days_left: int, problem: str | None) -> None:
    stored = facts("pg1", left=left)
    assert judge.expiry_row("x", stored, NOW)["days_left"] == days_left
    text = judge.expiry_problem("x", stored, NOW, 14, "Remedy")
    assert (text is None) if problem is None else (text is not None and problem in text)


def test_without_refused_days_only_expiry_counts() -> None:
    assert judge.expiry_problem("x", facts("pg1", left=SECOND), NOW, 0, "Remedy") is None
    assert judge.expiry_problem("x", facts("pg1", left=timedelta(0)), NOW, 0, "Remedy")


def test_a_clock_that_is_wrong() -> None:
    text = judge.expiry_problem("x", facts("pg1"), NOW - timedelta(hours=1), 14, "Remedy")
    assert text and "correct the clock" in text
