"""Each setting that is broken on the running tier turns its test red: the tests would notice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from failing import Saboteur
from mutations import MUTATIONS, Mutation
from tier import TOP, Tier, wait_until

# Seen green without a mutation. Several mutations may have one test.
GREEN: set[str] = set()


def run(*tests: str) -> subprocess.CompletedProcess[str]:
    """The tests of whichever scenario, on the hosts of this one."""
    env = os.environ | {"PGTIER_SCENARIO": "failure", "PYTEST_ADDOPTS": "-p no:cacheprovider --color=no"}
    options = ["--full"] if all("molecule/failure/" in test for test in tests) else []
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", *options, *tests],
        cwd=TOP,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def broken(tier: Tier, saboteur: Saboteur, mutation: Mutation) -> Iterator[None]:
    hosts = [tier.leader()] if mutation.where == "leader" else tier.groups[mutation.where]
    try:
        for name in hosts:
            tier.feed(name, "sh -eus", mutation.change)
        yield
    finally:
        # Who leads may be another one by now, and Patroni's configuration and SQL are the leader's.
        for name in [tier.leader()] if mutation.where == "leader" else hosts:
            tier.feed(name, "sh -eus", mutation.undo)
        wait_until("every member is there and streams", 120, tier.whole)
        wait_until("every service runs", 30, saboteur.services_run)


@pytest.mark.mutation
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_setting_turns_its_test_red(tier: Tier, saboteur: Saboteur, name: str) -> None:
    mutation = MUTATIONS[name]
    if mutation.red not in GREEN:
        green = run(mutation.red)
        assert green.returncode == 0, f"{mutation.red} is red without the mutation: {green.stdout[-2000:]}"
        GREEN.add(mutation.red)
    with broken(tier, saboteur, mutation):
        done = run(mutation.red)
    print(f"{name}: {done.stdout.splitlines()[-1]}")
    # 1 is a test that failed; others are a test that was not found, or pytest itself.
    assert done.returncode == 1, (
        f"{mutation.red} stays green although {name}: {done.stdout[-2000:]}{done.stderr[-500:]}"
    )
