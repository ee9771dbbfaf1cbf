# SPDX-License-Identifier: Apache-2.0
"""A status as one screen of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.pgtier.cluster.plugins.module_utils.status.proxies import EndpointRow
from ansible_collections.pgtier.cluster.plugins.module_utils.status.summary import Status


def render(status: Status) -> str:
    return "\n".join(_lines(status)) + "\n"


def _lines(status: Status) -> Iterator[str]:
    asked = f", asked from {status['asked_from']} at {status['asked_at']}" if status["asked_from"] else ""
    yield f"Cluster {status['scope']}{asked}"
    yield f"  {_headline(status)}"
    yield ""
    if status["problems"]:
        yield "Needs care"
        yield from (f"  - {problem}" for problem in status["problems"])
    else:
        yield "Nothing needs care"
    yield from _table(
        ("Member", "Role", "State", "Timeline", "Lag bytes", "Lag s", "PostgreSQL", "Patroni", "Awaits restart"),
        [
            (
                member["name"],
                member["role"].replace("_", " "),
                member["state"] if member["answers"] else f"{member['state']} (no answer)".strip(),
                _text(member["timeline"]),
                _text(member["lag_bytes"]),
                _text(member["lag_seconds"]),
                member["postgresql"],
                member["patroni"],
                ", ".join(member["pending_restart"]) or "no" if member["answers"] else "",
            )
            for member in status["members"]
        ],
    )
    yield from _table(
        ("etcd", "State", "Version", "Size MiB"),
        [
            (
                row["name"],
                ("leader" if row["leads"] else "learner" if row["learner"] else "healthy")
                if row["healthy"]
                else "not healthy"
                if row["version"]
                else "no answer",
                row["version"],
                "" if row["size_bytes"] is None else f"{row['size_bytes'] / 2**20:.1f}",
            )
            for row in status["etcd"]
        ],
    )
    yield from _table(
        ("Endpoint", "Port", "Pool", "Leads to"),
        [(row["name"], str(row["port"]), row["pool_mode"] or "", _leads_to(row)) for row in status["endpoints"]],
    )
    if status["virtual_address"]:
        yield ""
        on = ", ".join(status["virtual_address"]["on"]) or "no proxy that answers"
        yield f"Virtual address {status['virtual_address']['address']}: on {on}"
    yield from _table(
        ("Pool", "Proxy", "Clients", "Waiting", "Max wait s", "Servers", "Busy", "Saturation", ""),
        [
            (
                row["endpoint"],
                row["proxy"],
                *(
                    ("", "", "", "", "", "", "no answer")
                    if row["error"]
                    else (
                        str(row["clients_active"]),
                        str(row["clients_waiting"]),
                        f"{row['max_wait_seconds']:.1f}",
                        str(row["servers"]),
                        str(row["servers_active"]),
                        f"{row['saturation']:.0%}",
                        "paused" if row["paused"] else "",
                    )
                ),
            )
            for row in status["pools"]
        ],
    )
    if status["certificates"]:
        first = min(status["certificates"], key=lambda row: row["days_left"])
        yield ""
        yield (
            f"Certificates: {len(status['certificates'])}, the first to expire is that of {first['what']}, "
            f"in {first['days_left']} days"
        )


def _headline(status: Status) -> str:
    parts = [f"leader {status['leader']}, timeline {_text(status['timeline'])}" if status["leader"] else "no leader"]
    if status["synchronous_mode"] == "off":
        parts.append("commits do not wait for a replica")
    else:
        parts.append(f"commits are vouched for by one of {', '.join(status['synchronous_standbys']) or 'nobody'}")
    parts.append("MAINTENANCE MODE, no automatic failover" if status["maintenance"] else "automatic failover")
    return "; ".join(parts)


def _leads_to(row: EndpointRow) -> str:
    """Said once where all proxies agree."""
    said = {proxy: ", ".join(members) or "nobody" for proxy, members in row["leads_to"].items()} | row["unknown"]
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{proxy}: {where}" for proxy, where in said.items()) or "unknown"


def _text(value: float | None) -> str:
    return "" if value is None else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A blank line, the head and the rows, in columns as wide as they have to be."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    yield ""
    for row in (head, *rows):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
