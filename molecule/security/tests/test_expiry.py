"""A certificate that has expired or soon will refuses a run; a command lists them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from forgery import Forger
from tier import Tier

NEAR_DAYS = 5


@pytest.fixture
def aged(tier: Tier) -> Iterator[tuple[str, str]]:
    """A host whose stored certificate has expired and one whose is about to; as they were at the end."""
    gone, near = tier.groups["postgres"][:2]
    forger = Forger(tier)
    before: dict[Path, str] = {}
    for host in (gone, near):
        # Right in everything else, or it would be issued anew for another reason.
        names = (host, "localhost", "primary.pgtier", "replica.pgtier", "session.replica.pgtier")
        addresses = (tier.address(host), "127.0.0.1")
        if host == gone:
            pair = forger.expired(*addresses, names=names)
        else:
            pair = forger.right(*addresses, names=names, days=NEAR_DAYS)
        for kind, text in zip(("crt", "key"), pair, strict=True):
            file = forger.directory / f"hosts/{host}.{kind}"
            before[file] = file.read_text()
            file.write_text(text)
    yield gone, near
    for file, text in before.items():
        file.write_text(text)


def test_a_run_is_refused_before_anything_is_changed(tier: Tier, aged: tuple[str, str]) -> None:
    gone, near = aged
    status, output = tier.attempt_playbook("site.yml")
    assert status != 0
    for said in (
        rf"host {gone} expired on 20\S+\. Renew it: ansible-playbook ",
        rf"host {near} expires on .*14 days\. ",
    ):
        assert re.search(f"The certificate of {said}", output), output
    recap = output.rpartition("PLAY RECAP")[2]
    assert set(re.findall(r"changed=(\d+)", recap)) == {"0"}, recap


def test_a_command_lists_when_all_certificates_expire(tier: Tier, aged: tuple[str, str]) -> None:
    gone, near = aged
    status, output = tier.attempt_playbook("playbooks/certificates.yml")
    assert status == 0, output
    rows = re.findall(r'"days_left": (-?\d+),.*?"what": "([^"]+)"', output, re.DOTALL)
    days = {what: int(number) for number, what in rows}
    assert {"host pg1", "host pg2", "host pg3"} <= set(days), output
    assert days[f"host {gone}"] < 0 and days[f"host {near}"] in (NEAR_DAYS - 1, NEAR_DAYS)
    (authority,) = (what for what in days if what.startswith("CA "))
    assert days[authority] > 3000
