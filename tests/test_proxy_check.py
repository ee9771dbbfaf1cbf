# SPDX-License-Identifier: Apache-2.0
"""How a proxy judges itself, for the virtual address. That it is asked the right things is seen on real hosts."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.keepalived import PRIORITY

SOURCE = Path(__file__).parent.parent / "roles" / "keepalived" / "files" / "proxy_check"


def load(name: str) -> ModuleType:
    """By its path: the route has modules of the same names."""
    spec = importlib.util.spec_from_file_location(f"proxy_{name}", SOURCE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


judge, process = load("judge"), load("process")
REFUSED = "connection refused"
CHECKS = {"PgBouncer primary": judge.SERVICE, "HAProxy": judge.SERVICE, "query": judge.PATH}


def court(now: float = 100.0) -> object:
    """One in which everything has been well for long."""
    made = judge.Judge(CHECKS, now - 60)
    made.verdict(now - 900, True, False)  # it got the address long ago, if it has it
    for name in CHECKS:
        made.last_passed[name] = now
    return made


@pytest.mark.parametrize(
    ("failing", "for_seconds", "has_address", "penalty"),
    [
        ((), 0.0, True, 0),
        (("HAProxy",), 0.5, True, 0),
        (("HAProxy",), 1.0, True, 100),
        (("HAProxy",), 1.0, False, 100),
        # However many of one kind.
        (("HAProxy", "PgBouncer primary"), 1.0, True, 100),
        (("query",), 1.0, True, 0),
        # The others are the first to be judged.
        (("query",), 2.5, False, 50),
        (("query",), 2.5, True, 0),
        (("query",), 3.5, True, 50),
        (tuple(CHECKS), 3.5, True, 150),
    ],
)
def test_what_fails_for_too_long_counts(
    failing: tuple[str, ...], for_seconds: float, has_address: bool, penalty: int
) -> None:
    made = court()
    for name in failing:
        made.last_passed[name] -= for_seconds
        made.errors[name] = REFUSED
    assert made.verdict(100.0, has_address, False).weight == -penalty


@pytest.mark.parametrize(
    ("silent", "for_seconds", "has_address", "penalty"),
    [
        ("HAProxy", 4.5, True, 0),
        ("HAProxy", 5.5, True, 100),
        ("query", 3.5, False, 0),
        ("query", 4.5, False, 50),
        ("query", 4.5, True, 0),
        ("query", 5.5, True, 50),
    ],
)
def test_what_only_says_nothing_is_borne_with_for_longer(
    silent: str, for_seconds: float, has_address: bool, penalty: int
) -> None:
    made = court()
    made.last_passed[silent] -= for_seconds
    assert made.verdict(100.0, has_address, False).weight == -penalty


def test_a_process_that_was_stopped_is_not_waited_for() -> None:
    made = court()
    made.last_passed["HAProxy"] -= 1.0
    made.stopped = frozenset({"HAProxy"})
    assert made.verdict(100.0, True, False) == (-100, ["HAProxy: it was stopped"])


def test_a_refusal_is_forgotten_when_an_answer_comes() -> None:
    made = court()
    made.errors["HAProxy"] = REFUSED
    made.passed("HAProxy", 98.0)
    assert made.verdict(100.0, True, False).weight == 0


def test_what_the_kernel_says_of_a_process() -> None:
    assert process.state("42 (a) R (b) T 1 42 42 0 -1\n") == "T"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        try:
            assert not process.is_stopped(child.pid)
            child.send_signal(signal.SIGSTOP)
            deadline = time.monotonic() + 10
            while not process.is_stopped(child.pid):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            child.kill()
    # Waited for, so that there is no such process.
    assert not process.is_stopped(child.pid)
    assert not process.is_stopped(os.getpid())


def test_who_has_the_address_is_believed_at_once_and_others_after_a_while() -> None:
    made = court()
    made.last_passed["query"] = 90.0
    assert made.verdict(100.0, True, False).weight == -50
    made.last_passed |= dict.fromkeys(CHECKS, 100.1)
    assert made.verdict(100.1, True, False) == (0, [])
    # As the judge of a proxy that has not got it would say.
    assert made.verdict(100.1, False, False) == (-50, ["query: it has not been well for long"])
    made.last_passed |= dict.fromkeys(CHECKS, 105.2)
    assert made.verdict(105.2, False, False) == (0, [])


def test_one_that_starts_is_no_better_than_one_that_serves() -> None:
    made = judge.Judge(CHECKS, 100.0)
    assert made.verdict(100.1, False, False).weight == -150
    # It may have been started anew where the address is: it is no reason to move it.
    assert made.verdict(100.1, True, False).weight == judge.NEWLY


def test_who_got_the_address_lately_is_preferred_to_one_that_was_frozen_with_it() -> None:
    frozen, taker = court(), court()
    assert taker.verdict(100.0, False, False).weight == 0
    taker.last_passed |= dict.fromkeys(CHECKS, 101.0)
    assert taker.verdict(101.0, True, False).weight > frozen.verdict(100.0, True, False).weight == 0
    taker.last_passed |= dict.fromkeys(CHECKS, 101.0 + judge.NEWLY_SECONDS)
    assert taker.verdict(101.0 + judge.NEWLY_SECONDS, True, False).weight == 0


def test_a_drained_proxy_is_better_than_one_that_does_not_serve() -> None:
    made = court()
    drained = made.verdict(100.0, True, True)
    assert drained == (-judge.DRAINED, ["it is drained"])
    assert judge.NEWLY < judge.DRAINED < judge.PATH.penalty < judge.SERVICE.penalty


def test_nobody_looks_better_than_the_holder_while_there_is_no_primary() -> None:
    """Two proxies that see the same, one of them up to a second before or after the other, in steps of a tick."""
    for skew in (-0.9, 0.0, 0.9):
        holder, other = court(0.0), court(0.0)
        for step in range(400):
            now = step / 10
            for one, late in ((holder, 0.0), (other, skew)):
                one.last_passed |= dict.fromkeys(("HAProxy", "PgBouncer primary"), now)
                if not 5.0 <= now - late < 20.0:
                    one.last_passed["query"] = now
            weights = holder.verdict(now, True, False).weight, other.verdict(now, False, False).weight
            assert weights[0] >= weights[1], f"skew {skew}, at {now}"


def test_penalties_leave_a_priority() -> None:
    most = sum({kind.penalty for kind in CHECKS.values()}) + judge.DRAINED
    assert PRIORITY - most >= 1
    assert PRIORITY + judge.NEWLY <= 254


@pytest.mark.parametrize("secret", ["plain", 'with "quotes"', 'ends in "', ""])
def test_password(secret: str) -> None:
    lines = ['"other" "x"\n', f'"pgbouncer_auth" "{secret.replace(chr(34), chr(34) * 2)}"\n']
    assert judge.password(lines, "pgbouncer_auth") == secret
    with pytest.raises(ValueError, match="no password of nobody"):
        judge.password(lines, "nobody")
