# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks make of what they saw: when a tier is at rest, when a trial is over, and what a row says."""

from __future__ import annotations

import argparse
import configparser
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import common
import defaults
import failover
import read_scaling
import saturated
import settled
import trials

GOLDEN = Path(__file__).parent / "golden"
PLAIN = ["postmaster", "patroni", "host", "proxy", "switchover"]
ALL = ["postmaster", "patroni", "host", "host_fenced", "proxy", "switchover"]


@pytest.mark.parametrize(
    ("faults", "ways", "wanted"),
    [
        (
            ALL,
            ["pgtier", "defaults"],
            {"pgtier": ("pgtier", PLAIN), "fenced": ("pgtier", ["host_fenced"]), "defaults": ("defaults", PLAIN)},
        ),
        (["host_fenced"], ["pgtier", "defaults"], {"fenced": ("pgtier", ["host_fenced"])}),
        (["host_fenced", "host"], ["defaults"], {"defaults": ("defaults", ["host"])}),
        (["host_fenced"], ["defaults"], {}),
        (["proxy"], ["pgtier"], {"pgtier": ("pgtier", ["proxy"])}),
    ],
    ids=["all", "only with a fence", "the others have no fence", "nothing", "one"],
)
def test_only_we_have_a_fence_and_a_setup_without_a_fault_is_not_made(
    faults: list[str], ways: list[str], wanted: dict[str, tuple[str, list[str]]]
) -> None:
    assert failover.modes(faults, ways) == wanted


@pytest.mark.parametrize(
    ("fault", "way", "seconds", "failed", "said"),
    [
        ("postmaster", "pgtier", 1.5, 20, ("<= 1.5 s, <= 20 failed", "yes")),
        ("postmaster", "pgtier", 1.51, 20, ("<= 1.5 s, <= 20 failed", "no")),
        ("postmaster", "pgtier", 1.5, 21, ("<= 1.5 s, <= 20 failed", "no")),
        ("host", "pgtier", 22.0, 400, ("<= 22 s", "yes")),
        ("host", "pgtier", 22.1, 0, ("<= 22 s", "no")),
        ("switchover", "pgtier", 60.0, 0, ("<= 0 failed", "yes")),
        ("switchover", "pgtier", 0.1, 1, ("<= 0 failed", "no")),
        ("postmaster", "defaults", 90.0, 900, ("-", "-")),
    ],
)
def test_an_aim_is_met_when_nothing_exceeds_it(
    fault: str, way: str, seconds: float, failed: int, said: tuple[str, str]
) -> None:
    assert failover.aim(fault, way, seconds, failed) == said


def row(fault: str, way: str, seconds: float, failed: int, lost: int = 0) -> dict[str, Any]:
    return {
        "fault": fault,
        "way": way,
        "recovery_seconds": seconds,
        "failed": failed,
        "cached": failed // 2,
        "acknowledged": 1000,
        "lost": lost,
    }


def test_a_line_of_the_summary_is_a_cell_and_the_aim_is_for_its_median_and_its_worst_trial() -> None:
    rows = [
        row("switchover", "pgtier", 0.3, 0),
        row("postmaster", "defaults", 30.0, 40, lost=2),
        row("postmaster", "pgtier", 9.0, 10),
        row("postmaster", "defaults", 20.0, 20, lost=1),
        row("postmaster", "pgtier", 1.0, 0),
        row("postmaster", "pgtier", 1.25, 20),
    ]
    lines = failover.summary(rows)
    assert [(line["fault"], line["way"], line["trials"]) for line in lines] == [
        ("postmaster", "pgtier", 3),
        ("postmaster", "defaults", 2),
        ("switchover", "pgtier", 1),
    ]
    assert lines[0] == {
        "fault": "postmaster",
        "way": "pgtier",
        "trials": 3,
        "median s": 1.25,
        "worst s": 9.0,
        "failed median": 10,
        "failed max": 20,
        "of them cached": 15,
        "acknowledged": 3000,
        "lost": 0,
        "aim": "<= 1.5 s, <= 20 failed",
        "met": "yes",
    }
    assert (lines[1]["lost"], lines[1]["met"]) == (3, "-")


def test_one_trial_with_too_many_failures_misses_the_aim_whatever_the_median() -> None:
    (line,) = failover.summary([row("switchover", "pgtier", 0.3, failed) for failed in (0, 0, 1)])
    assert (line["failed median"], line["met"]) == (0, "no")


def test_a_summary_of_nothing_is_nothing() -> None:
    assert failover.summary([]) == []


def test_a_run_goes_on_with_the_trials_that_are_missing() -> None:
    rows = [{"fault": "host", "way": "pgtier"}] * 2 + [{"fault": "proxy", "way": "defaults"}]
    assert failover.missing(rows, "pgtier", ["proxy", "host"], 3) == ["proxy"] * 3 + ["host"]
    assert failover.missing(rows, "pgtier", ["host"], 1) == []
    assert failover.missing([], "pgtier", ["host"], 2) == ["host", "host"]


def test_a_run_does_not_go_on_with_trials_under_another_load(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    given = argparse.Namespace(json=file, go_on=True, clients=20, pause=0.02)
    file.write_text(json.dumps({"load": {"clients": 20, "pause_seconds": 0.02}, "trials": [{"fault": "host"}]}))
    assert failover.earlier(given) == [{"fault": "host"}]
    with pytest.raises(SystemExit, match=r"'clients': 20.*'clients': 50.*another file"):
        failover.earlier(argparse.Namespace(**vars(given) | {"clients": 50}))


def test_reads_are_held_against_as_many_times_those_of_one_replica() -> None:
    rounds = {1: [(100.0, [1.0]), (120.0, [1.0]), (90.0, [1.0])], 2: [(190.0, [0.4, 0.6]), (210.0, [0.6, 0.4])]}
    assert read_scaling.rows(rounds) == [
        {"replicas": 1, "reads a second": 100.0, "of linear": 1.0, "shares": "100%"},
        {"replicas": 2, "reads a second": 200.0, "of linear": 1.0, "shares": "50%, 50%"},
    ]


@pytest.mark.parametrize(
    ("number", "into", "sizes"),
    [(20, 4, [5, 5, 5, 5]), (10, 4, [3, 3, 2, 2]), (4, 4, [1, 1, 1, 1]), (3, 4, [1, 1, 1]), (5, 1, [5])],
)
def test_trials_are_spread_evenly_over_blocks_and_no_block_is_empty(number: int, into: int, sizes: list[int]) -> None:
    assert failover.blocks(number, into) == sizes


PRIMARY = {"role": "primary", "state": "running", "timeline": 7}
REPLICA = {"role": "replica", "state": "running", "timeline": 7, "replication_state": "streaming"}
SYNCHRONOUS = {**REPLICA, "quorum_standby": True}


@pytest.mark.parametrize(
    ("statuses", "quorum", "rests"),
    [
        ([SYNCHRONOUS, PRIMARY, SYNCHRONOUS], True, True),
        ([REPLICA, PRIMARY, SYNCHRONOUS], True, False),
        ([REPLICA, PRIMARY, REPLICA], False, True),
        ([PRIMARY], True, True),
        ([SYNCHRONOUS, SYNCHRONOUS], True, False),
        ([PRIMARY, PRIMARY, SYNCHRONOUS], True, False),
        ([{**PRIMARY, "state": "starting"}, SYNCHRONOUS], True, False),
        ([PRIMARY, SYNCHRONOUS, None], True, False),
        ([PRIMARY, {**SYNCHRONOUS, "timeline": 6}], True, False),
        ([PRIMARY, {**SYNCHRONOUS, "replication_state": "in archive recovery"}], True, False),
        ([PRIMARY, {"role": "replica", "state": "starting"}], False, False),
        ([], True, False),
    ],
    ids=[
        "all in their places",
        "one does not vouch",
        "nobody has to vouch",
        "alone",
        "nobody leads",
        "two lead",
        "the primary is starting",
        "one says nothing",
        "one is on the old timeline",
        "one does not stream",
        "one has no timeline yet",
        "nobody at all",
    ],
)
def test_at_rest_everybody_is_there_and_streams_from_the_one_primary(
    statuses: list[dict[str, Any] | None], quorum: bool, rests: bool
) -> None:
    assert settled.at_rest(statuses, quorum) is rests


def every(seconds: float, begin: float, end: float) -> list[float]:
    return [begin + seconds * index for index in range(int((end - begin) / seconds) + 1)]


@pytest.mark.parametrize(
    ("moments", "now", "on"),
    [
        (every(0.5, 101.0, 106.0), 106.0, True),
        (every(0.5, 90.0, 104.5), 104.5, False),
        (every(0.5, 101.0, 104.5), 106.0, False),
        ([*every(0.5, 90.0, 103.0), *every(0.5, 104.5, 106.0)], 106.0, False),
        ([*every(0.5, 90.0, 100.5), *every(0.5, 103.0, 108.0)], 108.0, True),
        (every(1.0, 101.0, 106.0), 106.0, True),
        (every(0.5, 102.5, 106.0), 106.0, False),
        ([], 106.0, False),
    ],
    ids=[
        "progress all the time",
        "too soon after the strike",
        "stopped again",
        "a gap in the midst",
        "a gap before",
        "just often enough",
        "too short so far",
        "nothing",
    ],
)
def test_a_trial_is_over_when_each_of_the_last_seconds_saw_progress(moments: list[float], now: float, on: bool) -> None:
    assert trials.go_on(moments, since=100.0, now=now, seconds=5.0) is on


def ini(text: str) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, comment_prefixes=(";", "%"), strict=True)
    parsed.read_string(text)
    return parsed


def test_the_pgbouncer_with_defaults_has_our_logins_and_certificates_and_nothing_else_of_ours() -> None:
    ours = (GOLDEN / "compact/pgbouncer/primary/instance.ini").read_text()
    made = ini(defaults.pgbouncer_ini(ours))
    assert dict(made["databases"]) == {
        "app": "host=127.0.0.1 port=5494 dbname=app",
        "pgbouncer_lookup": "host=127.0.0.1 port=5494 dbname=postgres user=pgbouncer_auth",
    }
    kept = {key: value for key, value in ini(ours)["pgbouncer"].items() if re.match("auth_|client_tls|server_tls", key)}
    assert {"auth_query", "client_tls_cert_file", "server_tls_sslmode"} <= set(kept)
    assert dict(made["pgbouncer"]) == {
        **kept,
        "pool_mode": "transaction",
        "listen_port": "6494",
        "listen_addr": "*",
        "unix_socket_dir": "/run/pgtier-defaults",
    }


def test_the_haproxy_with_defaults_has_a_line_for_each_member_in_its_only_section_of_servers() -> None:
    made = defaults.haproxy_cfg({"pg1": "10.0.0.1", "pg2": "10.0.0.2"})
    assert "\n    bind 127.0.0.1:5494\n" in made
    _, listen = made.split("\nlisten primary\n")
    servers = [line.split() for line in listen.splitlines() if line.startswith("    server ")]
    assert [line[1:3] for line in servers] == [["pg1", "10.0.0.1:5432"], ["pg2", "10.0.0.2:5432"]]
    assert [line[-2:] for line in servers] == [["verifyhost", "pg1"], ["verifyhost", "pg2"]]
    assert listen.splitlines()[-2:] == [line for line in listen.splitlines() if " server " in line]
    assert "{" not in made


@pytest.mark.parametrize(
    "config",
    [
        {"ttl": 30, "failsafe_mode": False, "synchronous_mode": "quorum"},
        {"ttl": None, "loop_wait": None},
        {"postgresql": {"parameters": {"a": "it's"}}},
    ],
    ids=["values", "taken out", "quoted"],
)
def test_what_edit_sets_comes_back_from_the_shell_as_it_was(config: dict[str, Any]) -> None:
    words = shlex.split(defaults.edit(config))
    assert words[0] == "patronictl"
    begin = words.index("-s")
    assert "edit-config" in words[:begin] and set(words[begin::2]) == {"-s"}
    pairs = [word.split("=", 1) for word in words[begin + 1 :: 2]]
    assert {key: json.loads(value) for key, value in pairs} == config


UNITS = """
etcd.service 0 41
pgbouncer@primary.service 2 57
postmaster 0 60
"""


def test_units_are_read_with_their_restarts_and_processes() -> None:
    assert saturated.units(UNITS) == {
        "etcd.service": (0, "41"),
        "pgbouncer@primary.service": (2, "57"),
        "postmaster": (0, "60"),
    }


@pytest.mark.parametrize(
    ("after", "anew"),
    [
        ({"etcd": (0, "41"), "postmaster": (0, "60")}, {}),
        ({"etcd": (3, "99"), "postmaster": (0, "60")}, {"etcd": 3}),
        ({"etcd": (0, "41"), "postmaster": (0, "61")}, {"postmaster": 1}),
        ({"etcd": (0, "41")}, {"postmaster": 1}),
        ({"etcd": (0, "41"), "postmaster": (0, "60"), "new": (0, "70")}, {}),
    ],
    ids=["nothing", "by systemd", "by Patroni, which systemd does not count", "gone", "one more"],
)
def test_a_unit_was_restarted_if_its_process_is_another(
    after: dict[str, tuple[int, str]], anew: dict[str, int]
) -> None:
    assert saturated.restarted({"etcd": (0, "41"), "postmaster": (0, "60")}, after) == anew


def test_downs_are_those_of_the_servers_of_the_backend() -> None:
    answer = (
        "# pxname,svname,status,chkdown,\n"
        "replica,FRONTEND,OPEN,,\n"
        "replica,pg1,UP,2,\n"
        "replica,pg2,no check,,\n"
        "replica,BACKEND,UP,5,\n"
        "primary,pg1,DOWN,7,\n\n"
    )
    assert saturated.downs(answer, "replica") == {"pg1": 2, "pg2": 0}


@pytest.mark.parametrize(
    ("later", "share"),
    [
        ("cpu  200 0 0 100 0 0 0 0 0 0", 1.0),
        ("cpu  100 0 0 200 0 0 0 0 0 0", 0.0),
        ("cpu  100 0 0 100 100 0 0 0 0 0", 0.0),
        ("cpu  125 0 25 150 0 0 0 0 0 0", 0.5),
        ("cpu  100 0 0 150 0 0 0 50 0 0", 0.5),
        # What guests used is within user's already.
        ("cpu  150 0 0 150 0 0 0 0 50 0", 0.5),
    ],
    ids=["all", "idle", "waiting for a disk", "half", "stolen", "guests"],
)
def test_busy_is_the_share_that_was_neither_idle_nor_waiting(later: str, share: float) -> None:
    assert saturated.busy("cpu  100 0 0 100 0 0 0 0 0 0\ncpu0 1 2 3 4\n", f"{later}\ncpu0 9 9 9 9\n") == share


def test_a_table_has_aligned_columns_and_numbers_that_can_be_read() -> None:
    rows = [{"way": "pgtier", "seconds": 0.254, "lost": 0}, {"way": "b", "seconds": 12345.6, "lost": None}]
    assert common.table(rows) == "way     seconds  lost\npgtier  0.25     0\nb       12,346   -"
