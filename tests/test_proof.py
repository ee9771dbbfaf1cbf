"""bin/test must not call a run good that tested nothing: each way of testing nothing that was met is a row here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bin/lib"))

import proof

SEQUENCE = ["destroy", "create", "converge", "verify", "destroy"]


def molecule_output(*actions: str, outcome: str = "Successful") -> str:
    return "\n".join(f"INFO     [default > {action}] Executed: {outcome}" for action in actions)


@pytest.mark.parametrize(
    ("output", "passed", "failed"),
    [
        (molecule_output(*SEQUENCE), 5, 0),
        (molecule_output(*SEQUENCE[:-1]), 4, 1),
        ("", 0, 5),
        (molecule_output(*SEQUENCE, outcome="Failed"), 0, 5),
        (molecule_output(*SEQUENCE) + "\nWARNING  [default > verify] Skipping, no tests found.", 5, 1),
        (
            molecule_output("destroy", "create", "verify", "destroy")
            + "\nWARNING  [default > converge] Executed: Missing playbook (Remove from test_sequence to suppress)",
            4,
            1,
        ),
    ],
    ids=["all ran", "destroy did not run", "nothing ran", "all failed", "no tests found", "missing playbook"],
)
def test_every_action_of_the_sequence_has_to_succeed(output: str, passed: int, failed: int) -> None:
    count = proof.molecule_actions(SEQUENCE, output)
    assert (count.passed, count.failed) == (passed, failed)
    assert bool(count.complaints) == bool(failed)


@pytest.mark.parametrize(
    ("attributes", "passed", "failed"),
    [
        ('tests="7" failures="0" errors="0" skipped="0"', 7, 0),
        ('tests="7" failures="2" errors="1" skipped="0"', 4, 3),
        ('tests="7" failures="0" errors="0" skipped="3"', 4, 3),
        ('tests="1" failures="1" errors="1" skipped="0"', 0, 1),
        ('tests="0" failures="0" errors="0" skipped="0"', 0, 1),
    ],
    ids=["good", "failures and errors", "skipped is not passed", "test and teardown fail", "no test found"],
)
def test_the_numbers_of_a_report(attributes: str, passed: int, failed: int) -> None:
    count = proof.pytest_report(f"<testsuites><testsuite {attributes}/></testsuites>")
    assert (count.passed, count.failed) == (passed, failed)


def test_no_report_is_a_failure() -> None:
    assert proof.pytest_report(None).failed == 1


@pytest.mark.parametrize(
    ("status", "output", "good"),
    [(0, "All checks passed!", True), (0, "warning: No Python files found", False), (1, "All checks passed!", False)],
)
def test_a_linter_has_to_show_that_it_looked(status: int, output: str, good: bool) -> None:
    assert (proof.one_check(status, output, "All checks passed").failed == 0) is good


@pytest.mark.parametrize(
    ("status", "tests", "tail", "passed", "failed"),
    [
        (0, 24, "", 24, 0),
        (1, 24, "FATAL: The 4 sanity test(s) listed below (out of 24) failed.", 20, 4),
        (1, 24, "FATAL: Command returned exit status 1", 23, 1),
        (0, 0, "WARNING: All targets skipped.", 0, 1),
    ],
    ids=["good", "four failed", "it broke off", "all targets skipped"],
)
def test_sanity_checks_are_counted(status: int, tests: int, tail: str, passed: int, failed: int) -> None:
    output = "".join(f'Running sanity test "check{number}"\n' for number in range(tests)) + tail
    count = proof.sanity_checks(status, output)
    assert (count.passed, count.failed) == (passed, failed)


def step(name: str = "step") -> proof.Step:
    return proof.Step("lint", name, ["true"], lambda status, output: proof.one_check(status, output, ""))


@pytest.mark.parametrize(
    ("counts", "empty", "last_line", "status"),
    [
        ([(3, 0), (4, 0)], [], "7 passed, 0 failed", 0),
        ([(3, 0), (4, 1)], [], "7 passed, 1 failed", 1),
        ([(3, 0)], ["molecule"], "3 passed, 1 failed", 1),
        ([(0, 0)], [], "0 passed, 0 failed", 1),
    ],
    ids=["good", "one failed", "a group without a test", "nothing at all"],
)
def test_the_last_line_says_it(counts: list[tuple[int, int]], empty: list[str], last_line: str, status: int) -> None:
    results = [proof.Result(step(), proof.Count(*numbers), 1.0) for numbers in counts]
    text, code = proof.summary(results, empty)
    assert text.splitlines()[-1] == last_line
    assert code == status


def test_a_scenario_that_is_there_is_run() -> None:
    scenarios = {path.parent.name for path in (proof.TOP / "molecule").glob("*/molecule.yml")}
    by_itself, on_request, failure = (
        {s.command[-1] for s in steps()} for steps in (proof.molecule_steps, proof.load_steps, proof.failure_steps)
    )
    assert by_itself | on_request | failure == scenarios
    assert all("--full" in s.env["PYTEST_ADDOPTS"] for s in proof.failure_steps())
    assert by_itself == {"default", "failure", "security"}


def test_hosts_are_taken_down_when_a_step_does_not_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "CACHE", tmp_path)
    monkeypatch.setattr(proof, "TOP", tmp_path)
    (tmp_path / "log").mkdir()
    for command, taken_down in ((["true"], False), (["false"], True)):
        marker = tmp_path / command[0]
        proof.run(
            proof.Step(
                "lab", command[0], command, lambda s, o: proof.one_check(s, o, ""), cleanup=["touch", str(marker)]
            )
        )
        assert marker.exists() is taken_down
