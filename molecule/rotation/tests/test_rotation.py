"""Certificates, their authority and passwords are replaced under load, and nobody notices but who has the old ones."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import load
import psycopg
import pytest
from attacker import on
from clients import at_work
from forgery import Forger, fingerprint
from ports import STRANGER, Port, passes_through
from psycopg.conninfo import make_conninfo
from tier import Tier
from witness import Witness

Passwords = dict[str, dict[str, str]]
Rotate = Callable[..., str]

POOLED = ("primary", "primary_session", "replica", "replica_session")
ENDPOINTS = (*POOLED, "primary_direct", "replica_direct")
ROTATED_USER = "app_web"
# Beside those of the load, which keep their connections: so many log in for each transaction, on each pool.
LOGINS = 4


@contextmanager
def nobody_notices(tier: Tier, also: list[str] | None = None) -> Iterator[None]:
    """Fifty clients write and fifty read on the pools, some more log in all the time, and no transaction fails."""
    proxies = len(tier.groups["proxy"])
    logins = [tier.conninfo(endpoint, proxy=n % proxies) for endpoint in ("primary", "replica") for n in range(LOGINS)]
    with (
        load.running(tier) as under_load,
        at_work(logins, stay=False) as comers,
        at_work(also or [], stay=True) as others,
    ):
        yield
    print(under_load.report)
    print(f"{sum(c.done for c in comers)} logins, the slowest took {max(c.slowest for c in comers):.2f} s")
    assert load.problems(under_load.report) == []
    assert [error for client in (*comers, *others) for error in client.errors] == []


@pytest.fixture
def rotate(tier: Tier, witness: Witness, artefacts: Path) -> Rotate:
    """Runs a playbook as loud as it gets, and keeps what it said for whoever looks for secrets in it."""

    def run(name: str, *arguments: str) -> str:
        status, output = tier.attempt_playbook(*arguments, "-vvv", "--diff")
        witness.heard(f"ansible, {name}", output)
        (artefacts / f"{name}.log").write_text(output)
        assert status == 0, output[-5000:]
        witness.note_secrets()
        return output

    return run


def shown(tier: Tier, doors: list[Port]) -> dict[Port, str]:
    """The certificate that each port shows, by its hash."""
    certificate, key = Forger(tier).right(tier.address(STRANGER), names=(STRANGER,))
    proof = {"certificate": certificate, "key": key}
    calls: list[tuple[str, dict[str, Any]]] = [
        (
            "tls",
            {
                "host": port.address,
                "port": port.number,
                "postgres": port.protocol == "postgres",
                # etcd may hang up before it has shown its own to who shows none.
                **(proof if port.what.startswith("etcd") else {}),
            },
        )
        for port in doors
    ]
    answers = on(tier, STRANGER, calls)
    for port, answer in zip(doors, answers, strict=True):
        assert "served" in answer, f"{port}: {answer}"
    return {port: answer["served"] for port, answer in zip(doors, answers, strict=True)}


def assert_stored_is_shown(tier: Tier, doors: list[Port]) -> None:
    """Every port shows its host's newest certificate, without a restart of what serves it."""
    stored = {
        host: fingerprint((tier.inventory / f"secrets/tls/hosts/{host}.crt").read_text())
        for host in tier.groups["postgres"]
    }
    for port, served in shown(tier, doors).items():
        expected = set(stored.values()) if passes_through(port) else {stored[port.host]}
        assert served in expected, f"{port} shows another certificate than its host's newest"


def started(tier: Tier) -> dict[str, str]:
    """When each PostgreSQL was started."""
    return {host: tier.psql(host, "SELECT pg_postmaster_start_time()")[0][0] for host in tier.groups["postgres"]}


def test_certificates_are_rotated_under_load(tier: Tier, doors: list[Port], rotate: Rotate) -> None:
    before, since = shown(tier, doors), started(tier)
    with nobody_notices(tier):
        rotate("rotate_certificates", "playbooks/rotate_certificates.yml")
    assert_stored_is_shown(tier, doors)
    after = shown(tier, doors)
    assert not set(before.values()) & set(after.values())
    assert started(tier) == since


def refusals(tier: Tier, **changed: str) -> dict[str, str]:
    """What each endpoint says to a client with something changed; empty if it is let in."""
    found = {}
    for endpoint in ENDPOINTS:
        try:
            psycopg.connect(make_conninfo(tier.conninfo(endpoint, proxy=0), **changed)).close()
        except psycopg.OperationalError as error:
            found[endpoint] = str(error)
    return found


def test_no_step_of_the_authoritys_rotation_leaves_hosts_behind(tier: Tier) -> None:
    for arguments, said in (
        (["-e", "rotate_ca=begin", "--limit", "pg1,pg2"], "Run it without --limit"),
        (["-e", "rotate_ca=begin", "-e", "rotate_hosts=pg1"], "Run it without rotate_hosts"),
        (["-e", "rotate_ca=end"], "begin, switch or finish"),
        (["-e", "rotate_ca=switch"], "Run the rotation's `begin` first"),
    ):
        status, output = tier.attempt_playbook("playbooks/rotate_certificates.yml", *arguments)
        assert status != 0 and said in output, output
    assert not (tier.inventory / "secrets/tls/next.crt").exists()


def test_the_authority_is_rotated_under_load(tier: Tier, doors: list[Port], rotate: Rotate, tmp_path: Path) -> None:
    """In three runs. A host that missed the second one, and has what the first one left, is caught up by the third."""
    playbook = "playbooks/rotate_certificates.yml"
    left = tier.groups["postgres"][-1]
    old_trust, old = tmp_path / "old.crt", Forger(tier)
    shutil.copy(tier.ca_file, old_trust)
    stranger = tier.address(STRANGER)
    since = started(tier)

    with nobody_notices(tier):
        rotate("rotate_ca_begin", playbook, "-e", "rotate_ca=begin")
    assert refusals(tier, sslrootcert=str(old_trust)) == {}, "who has not learnt of the new one yet is cut off already"
    both_trust = tmp_path / "both.crt"
    shutil.copy(tier.ca_file, both_trust)

    as_begun = "for c in etcd patroni pgbouncer; do cp -a /etc/$c/tls /root/$c.begun; done"
    tier.feed(left, as_begun, "")
    with nobody_notices(tier):
        rotate("rotate_ca_switch", playbook, "-e", "rotate_ca=switch")
    assert_stored_is_shown(tier, doors)
    assert set(refusals(tier, sslrootcert=str(old_trust))) == set(ENDPOINTS)
    assert refusals(tier, sslrootcert=str(both_trust)) == {}

    # As if it had been away: PgBouncer, PostgreSQL, Patroni and etcd all show what they had before.
    tier.feed(
        left,
        "for c in etcd patroni pgbouncer; do cp -a /root/$c.begun/. /etc/$c/tls/ && rm -r /root/$c.begun; done; "
        "systemctl reload patroni 'pgbouncer@*'",
        "",
    )
    with nobody_notices(tier):
        rotate("rotate_ca_finish", playbook, "-e", "rotate_ca=finish")
    assert_stored_is_shown(tier, doors)
    assert started(tier) == since

    # The old one is no good any more, neither to a client nor for getting into etcd.
    refused = refusals(tier, sslrootcert=str(old_trust))
    assert set(refused) == set(ENDPOINTS)
    assert all(re.search("certificate verify failed|unable to get local issuer", said) for said in refused.values())
    assert refusals(tier) == {}
    for number, path in ((2379, "/health"), (2380, "/members")):
        for forger, accepted in ((old, False), (Forger(tier), True)):
            certificate, key = forger.right(stranger, names=(STRANGER,))
            shows = {"certificate": certificate, "key": key, "port": number, "ask": path}
            answers = on(
                tier, STRANGER, [("tls", {"host": tier.address(host), **shows}) for host in tier.groups["etcd"]]
            )
            for answer in answers:
                assert answer.get("text", "").startswith("HTTP/1.1 200 ") is accepted, answer


def test_passwords_are_rotated_under_load(tier: Tier, rotate: Rotate) -> None:
    """Those of the tier's own logins, and of an application's user, whose clients keep the connections they have."""
    secrets, since = tier.inventory / "secrets", started(tier)
    before = json.loads((secrets / "passwords.json").read_text())
    proxies = len(tier.groups["proxy"])
    holders = [
        tier.conninfo(endpoint, user=ROTATED_USER, proxy=number % proxies)
        for endpoint in ("primary", "replica")
        for number in range(5)
    ]
    with nobody_notices(tier, also=holders):
        rotate("rotate_secrets", "playbooks/rotate_secrets.yml", "-e", f"rotate_users={ROTATED_USER}")
    assert started(tier) == since

    after = json.loads((secrets / "passwords.json").read_text())
    changed = {
        name for kind in ("users", "services") for name in after[kind] if after[kind][name] != before[kind].get(name)
    }
    assert changed == {
        "replicator",
        "rewind",
        "pgbouncer_auth",
        "pgtier_monitor",
        "pgtier_admin",
        "patroni_restapi",
        ROTATED_USER,
    }

    # Applications learn the new password where they learnt the old one.
    fresh = Tier(tier.inventory, user=ROTATED_USER)
    assert refusals(fresh) == {}
    refused = refusals(fresh, password=before["users"][ROTATED_USER])
    assert set(refused) == set(ENDPOINTS)
    assert all("authentication failed" in said for said in refused.values()), refused

    assert_the_tiers_own_are_at_work(tier, before, after)


def assert_the_tiers_own_are_at_work(tier: Tier, before: Passwords, after: Passwords) -> None:
    """Logins are made with the new ones and not with the old ones, from a member, where they may come from."""
    leader, replica = tier.leader(), tier.replicas()[0]
    verified = "sslmode=verify-full sslrootcert=/etc/pgtier/ca.crt"
    for user, way, statement in (
        ("replicator", "replication=true", "IDENTIFY_SYSTEM"),
        ("rewind", "dbname=postgres", "SELECT 1"),
    ):
        command = f"psql --no-psqlrc -qAt -c '{statement}' 'host={tier.address(leader)} user={user} {way} {verified}'"
        for passwords, accepted in ((before, False), (after, True)):
            said = tier.feed(replica, f"PGPASSWORD=$(cat) {command} 2>&1 || true", passwords["users"][user])
            assert said.strip() and ("authentication failed" not in said) is accepted, f"{user}: {said}"
            assert ("error" not in said) is accepted, f"{user}: {said}"
    # A replica that has to connect anew does.
    tier.psql(leader, "SELECT pg_terminate_backend(pid) FROM pg_stat_replication")
    with ExitStack() as stack:
        for endpoint in POOLED:
            stack.enter_context(tier.connect(endpoint))


def test_nothing_is_left_to_change_after_the_rotations(tier: Tier) -> None:
    recap = tier.playbook("site.yml", "--check", "--diff")
    assert {host: numbers["changed"] for host, numbers in recap.items() if numbers["changed"]} == {}
