# SPDX-License-Identifier: Apache-2.0
"""What a drill comes to: figures of each fault, a timeline, the verdict. As data (its JSON) and as text. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict

from ansible_collections.pgtier.cluster.plugins.module_utils.drill import checker
from ansible_collections.pgtier.cluster.plugins.module_utils.drill.ledger import Failure, Ledger

BUCKET_SECONDS = 0.1


class Strike(NamedTuple):
    """A fault that was injected. `end` is when the tier was whole again, or when that was given up."""

    fault: str
    target: str
    struck: float
    healed: float
    end: float


class FaultRow(TypedDict):
    """Moments are seconds since the drill began."""

    fault: str
    target: str
    struck: float
    healed: float
    end: float
    recovery_seconds: float
    acknowledged: int
    failed_statements: dict[str, int]


class Spell(TypedDict):
    """Who was the leader, as the writes tell: from its first acknowledged one to its last."""

    server: str
    timeline: int
    begin: float
    end: float


class AnomalyRow(TypedDict):
    kind: str
    number: int
    text: str


class Report(TypedDict):
    cluster: str
    began_at: float
    seconds: float
    acknowledged: int
    failed: int
    indeterminate: int
    lost: int
    duplicated: int
    anomalies: list[AnomalyRow]
    reads: int
    oldest_read_seconds: float
    failed_statements: dict[str, int]
    faults: list[FaultRow]
    leaders: list[Spell]
    bucket_seconds: float
    writes: list[int]
    errors: list[int]


def build(
    cluster: str,
    began_at: float,
    begin: float,
    end: float,
    ledger: Ledger,
    strikes: Sequence[Strike],
    names: Mapping[str, str],
) -> Report:
    """`began_at` is `begin` on the clock of the wall. `names` are the members' by their addresses."""
    anomalies = checker.check(ledger)
    numbers = {anomaly.kind: anomaly.number for anomaly in anomalies}
    of_writes = [failure for failure in ledger.failures if failure.token]
    return {
        "cluster": cluster,
        "began_at": began_at,
        "seconds": round(end - begin, 3),
        "acknowledged": len(ledger.writes),
        "failed": sum(not failure.indeterminate for failure in of_writes),
        "indeterminate": sum(failure.indeterminate for failure in of_writes),
        "lost": numbers.get("lost", 0),
        "duplicated": numbers.get("duplicated", 0),
        "anomalies": [{"kind": one.kind, "number": one.number, "text": one.text} for one in anomalies],
        "reads": len(ledger.reads),
        "oldest_read_seconds": round(ledger.oldest_read, 3),
        "failed_statements": kinds(ledger.failures),
        "faults": [_fault(strike, ledger, begin, names) for strike in strikes],
        "leaders": [
            {
                "server": names.get(reign.server, reign.server),
                "timeline": reign.timeline,
                # The load is at work a moment before the drill begins.
                "begin": round(max(0.0, reign.earliest_end - begin), 3),
                "end": round(reign.last - begin, 3),
            }
            for reign in checker.reigns(ledger.writes)
        ],
        "bucket_seconds": BUCKET_SECONDS,
        "writes": buckets((write.end for write in ledger.writes), begin, end),
        "errors": buckets((failure.moment for failure in ledger.failures), begin, end),
    }


def _fault(strike: Strike, ledger: Ledger, begin: float, names: Mapping[str, str]) -> FaultRow:
    during = ledger.between(strike.struck, strike.end)
    return {
        "fault": strike.fault,
        "target": names.get(strike.target, strike.target),
        "struck": round(strike.struck - begin, 3),
        "healed": round(strike.healed - begin, 3),
        "end": round(strike.end - begin, 3),
        "recovery_seconds": round(longest_gap((write.end for write in ledger.writes), strike.struck, strike.end), 3),
        "acknowledged": len(during.writes),
        "failed_statements": kinds(during.failures),
    }


def longest_gap(moments: Iterable[float], begin: float, end: float) -> float:
    """The longest time between two moments of which a part lies within [begin, end].

    What ends with `end` counts: a tier that did not come back has been away for that long at least.
    """
    longest, before = 0.0, begin
    for moment in sorted(moments):
        if moment <= begin:
            before = moment
            continue
        longest, before = max(longest, min(moment, max(end, before)) - before), moment
        if moment > end:
            return longest
    return max(longest, end - before)


def buckets(moments: Iterable[float], begin: float, end: float, width: float = BUCKET_SECONDS) -> list[int]:
    """How many moments lie in each stretch of `width` seconds."""
    counted = Counter(int((moment - begin) / width) for moment in moments if begin <= moment < end)
    return [counted[number] for number in range(max(1, round((end - begin) / width + 0.499999)))]


def kinds(failures: Iterable[Failure]) -> dict[str, int]:
    """Failed statements by kind: what was tried, and what came of it without addresses and numbers."""
    counted = Counter(f"{failure.what}: {_kind(failure)}" for failure in failures)
    return dict(counted.most_common())


def _kind(failure: Failure) -> str:
    line = (failure.error.strip().splitlines() or ["no word"])[-1].strip()
    line = re.sub(r"\d+(\.\d+){3}", "ADDRESS", line)
    line = re.sub(r"\d+", "N", line)[:100]
    return f"{line} (indeterminate)" if failure.indeterminate and failure.token else line


def text(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def verdict(report: Report) -> str:
    if report["anomalies"]:
        return "BROKEN: " + "; ".join(one["text"] for one in report["anomalies"])
    return (
        f"{report['acknowledged']} acknowledged writes, all there once; nothing that contradicts what clients were told"
    )


def _lines(report: Report) -> Iterator[str]:
    yield f"Drill of cluster {report['cluster']}, {report['seconds']:.0f} s"
    yield f"  {verdict(report)}"
    yield (
        f"  writes: {report['acknowledged']} acknowledged, {report['failed']} failed, {report['indeterminate']} "
        f"indeterminate, {report['lost']} lost, {report['duplicated']} duplicated"
    )
    yield f"  reads: {report['reads']}, the oldest {report['oldest_read_seconds']:.1f} s behind"
    yield ""
    yield "Faults, at the second, and the longest time without an acknowledged write"
    for fault in report["faults"]:
        failed = sum(fault["failed_statements"].values())
        yield (
            f"  {fault['struck']:7.1f}  {fault['fault']:24} {fault['target']:24} "
            f"{fault['recovery_seconds']:6.2f} s, {failed} failed statements, whole again after "
            f"{fault['end'] - fault['struck']:.1f} s"
        )
        yield from (f"           {number} x {kind}" for kind, number in fault["failed_statements"].items())
    yield ""
    yield "Leaders, as the writes tell"
    for spell in report["leaders"]:
        yield f"  {spell['begin']:7.1f} to {spell['end']:7.1f}  {spell['server']}, timeline {spell['timeline']}"
