"""A scanner that nobody here wrote looks at every port that speaks TLS. What it says is kept as an artefact."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ports import STRANGER, Port
from tier import Tier

# Forward secrecy and authenticated encryption; the first kind is how TLS 1.3 names its suites.
STRONG = re.compile(r"TLS_(AES|CHACHA20)_\w+|ECDHE-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)")
LOOKED_FOR = {("ssl", "2"), ("ssl", "3"), ("tls", "1.0"), ("tls", "1.1"), ("tls", "1.2"), ("tls", "1.3")}


@pytest.fixture(scope="module")
def reports(tier: Tier, doors: list[Port], artefacts: Path) -> dict[Port, ElementTree.Element]:
    lines = []
    for number, port in enumerate(doors):
        start = "--starttls-psql" if port.protocol == "postgres" else ""
        files = f"--xml=/tmp/scan/{number}.xml {port.address}:{port.number} > /tmp/scan/{number}.txt"
        lines.append(f"sslscan --no-colour --no-groups {start} {files}")
    listing = shlex.quote("\n".join(lines))
    tier.feed(STRANGER, f"rm -rf /tmp/scan; mkdir /tmp/scan; printf %s {listing} | xargs -P 8 -d '\\n' -n 1 sh -c", "")
    found = {}
    for number, port in enumerate(doors):
        xml, text = (tier.feed(STRANGER, f"cat /tmp/scan/{number}.{kind}", "") for kind in ("xml", "txt"))
        (artefacts / f"sslscan-{port.host}-{port.number}.txt").write_text(f"{port}\n{text}")
        found[port] = ElementTree.fromstring(xml)
    return found


def test_no_protocol_below_tls_1_2(reports: dict[Port, ElementTree.Element]) -> None:
    for port, report in reports.items():
        seen = {(p.get("type"), p.get("version")): p.get("enabled") for p in report.iter("protocol")}
        assert set(seen) == LOOKED_FOR, f"{port}: {seen}"
        enabled = {protocol for protocol, is_enabled in seen.items() if is_enabled == "1"}
        assert enabled == {("tls", "1.2"), ("tls", "1.3")}, f"{port}: {enabled}"


def test_no_weak_cipher(reports: dict[Port, ElementTree.Element]) -> None:
    for port, report in reports.items():
        accepted = [(c.get("cipher") or "", int(c.get("bits") or 0)) for c in report.iter("cipher")]
        assert accepted, port
        weak = [cipher for cipher, bits in accepted if bits < 128 or not STRONG.fullmatch(cipher)]
        assert weak == [], f"{port}: {weak}"


def test_no_known_hole(reports: dict[Port, ElementTree.Element]) -> None:
    for port, report in reports.items():
        assert [h for h in report.iter("heartbleed") if h.get("vulnerable") != "0"] == [], port
        assert [c for c in report.iter("compression") if c.get("supported") != "0"] == [], port
