"""What bin/test runs: a table of steps, how each one's outcome is counted, and a summary whose last line programs read.

Nothing is skipped in silence: a step that tested nothing, a test that was skipped, a molecule action that did not run
or had no playbook counts as failed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import yaml

TOP = Path(__file__).resolve().parents[2]
CACHE = TOP / ".cache"
COLLECTION = TOP / "collections/ansible_collections/pgtier/cluster"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Count:
    """An outcome in numbers, and a line on each thing that is wrong with it."""

    passed: int
    failed: int
    complaints: tuple[str, ...] = ()

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.complaints + other.complaints)


def one_check(status: int, output: str, proof: str) -> Count:
    """A tool that answers yes or no. `proof` must be in its output: a linter that found no file also says yes."""
    if status != 0:
        return Count(0, 1)
    if not re.search(proof, output):
        return Count(0, 1, (f"it ended well, but its output lacks what shows that it looked at something: {proof}",))
    return Count(1, 0)


def sanity_checks(status: int, output: str) -> Count:
    """ansible-test names each check that it runs and lists those that failed at the end."""
    run = len(re.findall(r'^Running sanity test "', output, re.MULTILINE))
    listed = re.search(r"The (\d+) sanity test\(s\) listed below", output)
    failed = int(listed[1]) if listed else int(status != 0)
    if run < 15:
        return Count(
            max(run - failed, 0), max(failed, 1), (f"{run} sanity checks ran, at least 15 were to be expected",)
        )
    return Count(run - failed, failed)


def pytest_report(xml: str | None) -> Count:
    """The numbers of a JUnit report. A skipped test was not passed, and no test at all is a failure."""
    if xml is None:
        return Count(0, 1, ("pytest wrote no report: it did not get as far as running a test",))
    suites = list(ElementTree.fromstring(xml).iter("testsuite"))
    tests, skipped = (sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "skipped"))
    broken = sum(int(suite.get(key, "0")) for suite in suites for key in ("failures", "errors"))
    # A test that fails and whose teardown fails as well is one test and two entries.
    broken = min(broken, tests)
    complaints = [f"{skipped} tests were skipped"] if skipped else []
    if tests == 0:
        return Count(0, 1, ("no test was found",))
    return Count(tests - broken - skipped, broken + skipped, tuple(complaints))


def molecule_actions(sequence: list[str], output: str) -> Count:
    """Each action of a scenario's sequence, in its order, has to be reported as executed and successful."""
    reported = re.findall(r"\[.+ > (\w+)\] Executed: (\w+)", output)
    missing = list(sequence)
    for action, outcome in reported:
        if outcome == "Successful" and action in missing:
            missing.remove(action)
    complaints = [f"{action} did not run or did not succeed" for action in missing]
    complaints += [f"molecule said: {line.strip()}" for line in output.splitlines() if MOLECULE_SKIPS.search(line)]
    return Count(len(sequence) - len(missing), max(len(missing), int(bool(complaints))), tuple(complaints))


MOLECULE_SKIPS = re.compile(r"Missing playbook|no tests found|Skipping,|Executed: (Missing|Disabled|Skipped)")


@dataclass(frozen=True)
class Step:
    """One row of the summary. `count` gets exit status and output; `cleanup` runs when the step did not end well."""

    group: str
    name: str
    command: list[str]
    count: Callable[[int, str], Count]
    cwd: Path = TOP
    env: dict[str, str] = field(default_factory=dict)
    loud: bool = False
    cleanup: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Result:
    step: Step
    count: Count
    seconds: float


def lint_steps() -> Iterator[Step]:
    plugins = [str(COLLECTION / "plugins" / kind) for kind in ("module_utils", "modules", "filter", "action")]
    commands = [
        path
        for path in (TOP / "bin").iterdir()
        if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash")
    ]
    shell = [str(path) for path in (*commands, *(TOP / "bin/lib").glob("*.sh"), TOP / ".ci/run")]
    for name, command, proof in (
        ("ruff check", ["ruff", "check", "."], "All checks passed"),
        ("ruff format", ["ruff", "format", "--check", "."], r"[1-9]\d* files? already formatted"),
        ("yamllint", ["sh", "-c", "yamllint --strict . && yamllint --list-files ."], r"site\.yml"),
        ("shellcheck", ["shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *shell], ""),
        ("mypy --strict", ["mypy", "--strict", *plugins], r"no issues found in [1-9]\d* source files"),
        ("ansible-lint, production", ["ansible-lint", "--offline", "--strict"], r"in [1-9]\d* files"),
    ):
        yield Step("lint", name, command, partial(one_check, proof=proof))
    yield Step(
        "lint",
        f"ansible-test sanity, Python {PYTHON}",
        ["ansible-test", "sanity", "--color", "no", "--python", PYTHON],
        sanity_checks,
        cwd=COLLECTION,
        env={"HOME": str(sanity_home())},
    )


def sanity_home() -> Path:
    """A home of its own for ansible-test, with the file in it that it would otherwise download: see get_pip.py."""
    from ansible_test._internal.python_requirements import get_venv_packages  # type: ignore[import-untyped]

    class Interpreter:
        version = PYTHON

    pip = get_venv_packages(Interpreter())["pip"].replace(".", "_")
    home = CACHE / "ansible-test"
    bootstrap = home / f".ansible/test/cache/get_pip_{pip}.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    bootstrap.write_text((TOP / "bin/lib/get_pip.py").read_text())
    return home


def report_path(name: str) -> Path:
    return CACHE / "report" / f"{name}.xml"


def read_report(name: str) -> Count:
    path = report_path(name)
    return pytest_report(path.read_text() if path.exists() else None)


def pytest_step(group: str, name: str, *arguments: str) -> Step:
    command = ["pytest", "-q", f"--junitxml={report_path(group)}", *arguments]

    def count(status: int, _output: str) -> Count:
        counted = read_report(group)
        return counted if status == 0 or counted.failed else counted + Count(0, 1, (f"pytest ended with {status}",))

    return Step(group, name, command, count, loud=True)


def unit_steps() -> Iterator[Step]:
    yield pytest_step("unit", "unit tests", str(COLLECTION / "tests/unit"), "tests", "--ignore=tests/lab")


def lab_steps() -> Iterator[Step]:
    yield pytest_step("lab", "lab life cycle", "tests/lab")


# Scenarios of many minutes under load, which want a computer of their own: run when they are asked for.
LONG = {"fence", "operations", "rotation", "scale_out"}


def molecule_steps() -> Iterator[Step]:
    """Every scenario that is there: one that is added is run without being named anywhere."""
    return scenario_steps("molecule", lambda scenario: scenario not in LONG)


def load_steps() -> Iterator[Step]:
    # With what passing tests print: how many transactions there were, and how long the longest stall.
    return scenario_steps("load", LONG.__contains__, "-rP")


def failure_steps() -> Iterator[Step]:
    """Every fault of the scenario, not only its short set."""
    return scenario_steps("failure", "failure".__eq__, "--full")


def mutation_steps() -> Iterator[Step]:
    """Settings broken one at a time, on the scenario's hosts: each has to turn a test red."""
    return scenario_steps("mutation", "failure".__eq__, "--mutations")


def scenario_steps(group: str, chosen: Callable[[str], bool], options: str = "") -> Iterator[Step]:
    for config in sorted((TOP / "molecule").glob("*/molecule.yml")):
        scenario = config.parent.name
        if not chosen(scenario):
            continue
        sequence = yaml.safe_load(config.read_text())["scenario"]["test_sequence"]

        def count(status: int, output: str, scenario: str = scenario, sequence: list[str] = sequence) -> Count:
            counted = molecule_actions(sequence, output) + read_report(f"molecule-{scenario}")
            return counted if status == 0 or counted.failed else counted + Count(0, 1, (f"molecule: {status}",))

        yield Step(
            group,
            f"molecule {scenario}",
            ["molecule", "test", "--scenario-name", scenario],
            count,
            env={"PYTEST_ADDOPTS": f"--junitxml={report_path(f'molecule-{scenario}')} --color=no {options}".strip()},
            loud=True,
            cleanup=["molecule", "destroy", "--scenario-name", scenario],
        )


GROUPS: dict[str, Callable[[], Iterator[Step]]] = {
    "lint": lint_steps,
    "unit": unit_steps,
    "lab": lab_steps,
    "molecule": molecule_steps,
    "load": load_steps,
    "failure": failure_steps,
    "mutation": mutation_steps,
}
ON_REQUEST = {"load", "failure", "mutation"}


def execute(step: Step, log: Path) -> tuple[int, str]:
    """Run a step's command with its output in a log, and on the screen as it comes when the step is a long one."""
    env = (
        os.environ | {"NO_COLOR": "1", "PY_COLORS": "0", "ANSIBLE_FORCE_COLOR": "0", "PYTHONUNBUFFERED": "1"} | step.env
    )
    lines: list[str] = []
    with (
        log.open("w") as file,
        subprocess.Popen(
            step.command,
            cwd=step.cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            file.write(line)
            if step.loud:
                print(line, end="", flush=True)
    return process.returncode, "".join(lines)


def run(step: Step) -> Result:
    print(f"==> {step.name}", flush=True)
    log = CACHE / "log" / f"test-{re.sub(r'[^a-z0-9]+', '-', step.name.lower())}.log"
    begin = time.monotonic()
    ended_well = False
    try:
        status, output = execute(step, log)
        count = step.count(status, output)
        ended_well = count.failed == 0
    finally:
        # Also on Ctrl-C: hosts that are left would be in the way of the next run.
        if step.cleanup and not ended_well:
            subprocess.run(step.cleanup, cwd=TOP, stdin=subprocess.DEVNULL, check=False)
    if count.failed and not step.loud:
        print(output, end="")
    for complaint in count.complaints:
        print(f"    {complaint}")
    seconds = time.monotonic() - begin
    print(
        f"    {count.passed} passed, {count.failed} failed in {seconds:.0f} s; the output is in {log.relative_to(TOP)}"
    )
    return Result(step, count, seconds)


def summary(results: list[Result], empty_groups: list[str]) -> tuple[str, int]:
    """The table, the line `N passed, N failed`, and the exit status."""
    rows = [(r.step.name, r.count.passed, r.count.failed, r.seconds) for r in results]
    rows += [(f"{group}: there is nothing to run", 0, 1, 0.0) for group in empty_groups]
    width = max(len(name) for name, *_ in rows)
    lines = [f"{'':{width}}  passed  failed  seconds"]
    lines += [f"{name:{width}}  {passed:6}  {failed:6}  {seconds:7.0f}" for name, passed, failed, seconds in rows]
    passed, failed = sum(row[1] for row in rows), sum(row[2] for row in rows)
    lines.append(f"{'all':{width}}  {passed:6}  {failed:6}  {sum(row[3] for row in rows):7.0f}")
    lines += ["", f"{passed} passed, {failed} failed"]
    return "\n".join(lines), int(failed > 0 or passed == 0)


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(GROUPS))
    if unknown:
        print(f"bin/test: there is no group {', '.join(unknown)}; the groups are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    # A terminated run takes its hosts down like an interrupted one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for directory in ("report", "log"):
        (CACHE / directory).mkdir(parents=True, exist_ok=True)
    for report in (CACHE / "report").glob("*.xml"):
        report.unlink()
    results: list[Result] = []
    empty: list[str] = []
    for name, steps in GROUPS.items():
        if name not in names and (names or name in ON_REQUEST):
            if not names:
                print(f"==> not run: group {name}, which bin/test {name} runs", flush=True)
            continue
        ran = [run(step) for step in steps()]
        results += ran
        if not ran:
            empty.append(name)
    text, status = summary(results, empty)
    print(f"\n{text}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
