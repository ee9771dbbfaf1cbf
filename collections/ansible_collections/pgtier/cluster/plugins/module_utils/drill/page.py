# SPDX-License-Identifier: Apache-2.0
"""A drill's report as one HTML page that needs nothing else: tables, and the timeline as a plot in SVG. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from ansible_collections.pgtier.cluster.plugins.module_utils.drill.report import Report, verdict

WIDTH = 1100
LEFT = 90
PLOT_HEIGHT = 220
TOP = 70
BAND_HEIGHT = 18
COLOURS = ("#2a78d6", "#1baf7a", "#eda100", "#8b5cd6", "#d6602a", "#5c8a8a", "#b0488f", "#7a7a30")

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #666; --line: #ccc; --paper: #fff;
  --bad: #c62828; --good: #1b7a3d }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --soft: #a0a0a0; --line: #444; --paper: #181818; --bad: #ff6b60; --good: #5fce86 } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 1140px;
  margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse; margin: 1em 0 } th, td { text-align: left; padding: .25em .8em .25em 0;
  border-bottom: 1px solid var(--line); vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums }
.bad { color: var(--bad); font-weight: 600 } .good { color: var(--good); font-weight: 600 }
.plot { overflow-x: auto } svg { font-size: 11px; fill: var(--ink) } .soft { fill: var(--soft) }
.axis { stroke: var(--line) }
.writes { stroke: #2a78d6; fill: #2a78d6; fill-opacity: .2 } .errors { stroke: var(--bad) }
.fault { stroke: var(--ink); stroke-dasharray: 3 3 } .during { fill: var(--ink); fill-opacity: .08 }
"""


def html(report: Report) -> str:
    return "\n".join(_page(report)) + "\n"


def _page(report: Report) -> Iterator[str]:
    title = f"Drill of cluster {escape(report['cluster'])}"
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{STYLE}</style></head><body><h1>{title}</h1>"
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(report["began_at"]))
    yield f"<p>{began}, {report['seconds']:.0f} s</p>"
    yield f'<p class="{"bad" if report["anomalies"] else "good"}">{escape(verdict(report))}</p>'
    yield '<div class="plot">'
    yield from _plot(report)
    yield "</div>"
    yield "<h2>Faults</h2>"
    yield from _table(
        ("at s", "fault", "where", "longest time without a write s", "failed statements", "whole again after s"),
        [
            (
                f"{fault['struck']:.1f}",
                fault["fault"],
                fault["target"],
                f"{fault['recovery_seconds']:.2f}",
                "\n".join(f"{number} x {kind}" for kind, number in fault["failed_statements"].items()) or "none",
                f"{fault['end'] - fault['struck']:.1f}",
            )
            for fault in report["faults"]
        ],
        numbers=(0, 3, 5),
    )
    yield "<h2>Writes</h2>"
    keys = ("acknowledged", "failed", "indeterminate", "lost", "duplicated")
    figures = {key: number for key, number in report.items() if key in keys}
    yield from _table(keys, [tuple(str(figures[key]) for key in keys)], numbers=range(len(keys)))
    yield "<h2>Leaders</h2>"
    yield from _table(
        ("from s", "to s", "member", "timeline"),
        [
            (f"{spell['begin']:.1f}", f"{spell['end']:.1f}", spell["server"], str(spell["timeline"]))
            for spell in report["leaders"]
        ],
        numbers=(0, 1, 3),
    )
    yield "</body></html>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int]) -> Iterator[str]:
    right = set(numbers)
    yield "<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"
    for row in rows:
        cells = [
            ('<td class="n">' if number in right else "<td>") + "<br>".join(map(escape, cell.split("\n"))) + "</td>"
            for number, cell in enumerate(row)
        ]
        yield "<tr>" + "".join(cells) + "</tr>"
    yield "</table>"


def _plot(report: Report) -> Iterator[str]:
    """Writes as an area, errors as lines from above on their own scale, faults as grey stretches, leaders as bands."""
    scale = (WIDTH - LEFT) / max(report["seconds"], report["bucket_seconds"])
    bottom = TOP + PLOT_HEIGHT
    highest = max([1, *report["writes"]])
    most = max([1, *report["errors"]])
    leaders = sorted({spell["server"] for spell in report["leaders"]})
    height = bottom + 40 + BAND_HEIGHT * len(leaders) + 10

    def x(second: float) -> float:
        return round(LEFT + second * scale, 1)

    yield f'<svg viewBox="0 0 {WIDTH + 20} {height}" width="{WIDTH + 20}" height="{height}" role="img">'
    yield "<title>Acknowledged writes and errors over time</title>"
    for number, fault in enumerate(report["faults"]):
        struck, healed, label = x(fault["struck"]), x(fault["healed"]), 14 + 14 * (number % 4)
        yield (
            f'<rect class="during" x="{struck}" y="{TOP}" width="{round(max(healed - struck, 1), 1)}" '
            f'height="{PLOT_HEIGHT}"><title>{escape(fault["fault"])}</title></rect>'
        )
        yield f'<line class="fault" x1="{struck}" x2="{struck}" y1="{label}" y2="{bottom}"/>'
        yield f'<text x="{struck + 3}" y="{label}">{escape(fault["fault"])}</text>'
    yield f'<path class="writes" d="{_area(report["writes"], report["bucket_seconds"], scale, highest, bottom)}"/>'
    for number, errors in enumerate(report["errors"]):
        if errors:
            at = x((number + 0.5) * report["bucket_seconds"])
            deep = round(TOP + max(3, errors / most * PLOT_HEIGHT / 3), 1)
            yield (
                f'<line class="errors" x1="{at}" x2="{at}" y1="{TOP}" y2="{deep}"><title>{errors} errors</title></line>'
            )
    yield f'<line class="axis" x1="{LEFT}" x2="{WIDTH}" y1="{bottom}" y2="{bottom}"/>'
    yield f'<text class="soft" x="0" y="{TOP + 8}">{highest}</text><text class="soft" x="0" y="{bottom}">0</text>'
    yield (
        f'<text class="soft" x="0" y="{bottom + 32}">acknowledged writes per {report["bucket_seconds"] * 1000:.0f} ms '
        f"(blue), errors (red, from above, at most {most}), faults (grey until healed), seconds</text>"
    )
    for second in _ticks(report["seconds"]):
        yield f'<text class="soft" x="{x(second)}" y="{bottom + 14}" text-anchor="middle">{second}</text>'
    for spell in report["leaders"]:
        number = leaders.index(spell["server"])
        y, begin = bottom + 40 + BAND_HEIGHT * number, x(spell["begin"])
        width = round(max(x(spell["end"]) - begin, 1), 1)
        name = f"{escape(spell['server'])}, timeline {spell['timeline']}"
        yield (
            f'<rect x="{begin}" y="{y}" width="{width}" height="{BAND_HEIGHT - 4}" '
            f'fill="{COLOURS[number % len(COLOURS)]}"><title>{name}</title></rect>'
        )
    for number, server in enumerate(leaders):
        yield f'<text x="0" y="{bottom + 51 + BAND_HEIGHT * number}">{escape(server)}</text>'
    yield "</svg>"


def _area(counts: Sequence[int], bucket: float, scale: float, highest: int, bottom: int) -> str:
    points = (
        f"L{LEFT + (number + 0.5) * bucket * scale:.1f} {bottom - count / highest * PLOT_HEIGHT:.1f}"
        for number, count in enumerate(counts)
    )
    end = LEFT + len(counts) * bucket * scale
    return f"M{LEFT} {bottom}{''.join(points)}L{end:.1f} {bottom}Z"


def _ticks(seconds: float) -> range:
    step = next((step for step in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600) if seconds / step <= 15), 3600)
    return range(0, int(seconds) + 1, step)
