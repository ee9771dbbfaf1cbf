# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.drill import page, report
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Failure, Ledger, Write
from hypothesis import given
from hypothesis import strategies as st

ERROR = 'connection failed: connection to server at "10.0.0.4", port 6432 failed: <refused>'


def drill(lost: bool = False) -> report.Report:
    """One write every 100 ms for ten seconds, with a leader that goes at the third and another from the fifth on."""
    moments = [100 + number / 10 for number in range(100) if not 30 <= number < 50]
    writes = [
        Write(moment, moment + 0.01, 2, number, *(("10.0.0.1", 1) if moment < 103 else ("10.0.0.2", 2)))
        for number, moment in enumerate(moments)
    ]
    failures = [
        Failure(103.15, "write", "terminating connection\n", 4, 1, indeterminate=True),
        Failure(103.25, "connect", ERROR, indeterminate=True),
        Failure(103.35, "connect", ERROR.replace("10.0.0.4", "10.0.0.5"), indeterminate=True),
    ]
    rows = Counter((*write.token, 0) for write in writes[lost:])
    return report.build(
        "main <one>",
        1700000000.0,
        100.0,
        110.0,
        Ledger(writes, failures=failures, rows=rows),
        [report.Strike("kill_postgres", "10.0.0.1", 103.0, 103.0, 108.0)],
        {"10.0.0.1": "pg1", "10.0.0.2": "pg2"},
    )


def test_a_fault_has_its_recovery_and_its_failed_statements_by_kind() -> None:
    (fault,) = drill()["faults"]
    assert fault["target"] == "pg1" and fault["struck"] == 3.0
    assert fault["recovery_seconds"] == pytest.approx(2.1, abs=0.02)
    assert sorted(fault["failed_statements"].values()) == [1, 2]
    assert "write: terminating connection (indeterminate)" in fault["failed_statements"]


def test_leaders_come_from_the_writes() -> None:
    assert [(spell["server"], spell["timeline"]) for spell in drill()["leaders"]] == [("pg1", 1), ("pg2", 2)]


def test_the_timeline_counts_every_write_and_every_error() -> None:
    made = drill()
    assert sum(made["writes"]) == made["acknowledged"] == 80 and sum(made["errors"]) == 3
    assert len(made["writes"]) == len(made["errors"]) == 100


@pytest.mark.parametrize(
    ("lost", "said"), [(False, "80 acknowledged writes, all there once"), (True, "BROKEN: 1 ackn")]
)
def test_the_verdict_is_in_every_form(lost: bool, said: str) -> None:
    made = drill(lost)
    assert made["lost"] == lost and json.loads(json.dumps(made)) == made
    assert said in report.text(made) and said in page.html(made)


class Tags(HTMLParser):
    """The tags that are open, and every attribute that there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.seen: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        self.seen[tag] += 1
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        self.seen[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_escaped_and_needs_nothing_from_elsewhere() -> None:
    text = page.html(drill())
    tags = Tags()
    tags.feed(text)
    assert tags.open == [] and {"svg", "path", "table"} <= tags.seen.keys()
    # Three buckets of errors, the fault and the axis; two leaders and the fault's own stretch.
    assert tags.seen["line"] == 3 + 1 + 1 and tags.seen["rect"] == 3
    assert "main &lt;one&gt;" in text and "&lt;refused&gt;" in text
    assert not {name for name, *_value in tags.attributes} & {"src", "href", "xlink:href"}
    assert not re.search(r"https?://|url\(|@import", text)


@pytest.mark.parametrize(
    ("moments", "gap"),
    [
        ([1.0, 2.0, 7.0, 10.0], 5.0),
        ([1.0, 2.0], 6.0),
        ([], 5.0),
        ([2.0, 3.1, 20.0], 4.9),
        ([1.0, 2.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0], 1.5),
        ([9.0], 5.0),
    ],
    ids=["within", "never again", "none", "ends with the window", "over its beginning", "first only after it"],
)
def test_the_longest_gap_of_a_stretch(moments: list[float], gap: float) -> None:
    assert report.longest_gap(moments, 3.0, 8.0) == pytest.approx(gap)


@given(st.lists(st.floats(0, 100)), st.floats(0, 50), st.floats(0.1, 50))
def test_buckets_hold_every_moment_of_the_stretch_once(moments: list[float], begin: float, length: float) -> None:
    end = begin + length
    counted = report.buckets(moments, begin, end)
    assert sum(counted) == sum(begin <= moment < end for moment in moments)
