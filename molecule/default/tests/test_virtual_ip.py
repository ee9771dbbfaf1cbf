"""The virtual address is on one proxy that serves. It leaves one that does not, whether that is dead or hangs, and
nothing else moves it: not a proxy that comes back, nor what is wrong with all of them alike."""

from __future__ import annotations

import threading
import time

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tier import Tier, join, wait_until

POOLED = ("primary", "primary_session", "replica", "replica_session")
DIRECT = ("primary_direct", "replica_direct")
# Generous for a busy machine; what was measured is printed.
MOVES_WITHIN_SECONDS = 5
CHECK = "/run/pgtier-proxy-check"


def through(tier: Tier, endpoint: str, **other: object) -> str:
    """By the virtual address alone, which is the first in every connection that is handed out."""
    settings = dict(conninfo_to_dict(tier.conninfo(endpoint)))
    first = {key: str(settings[key]).split(",")[0] for key in ("host", "hostaddr", "port") if key in settings}
    return make_conninfo(**{**settings, **first, "connect_timeout": 2, **other})


def ask(conninfo: str, statement: str) -> object:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return row[0]


def address(tier: Tier) -> str:
    settings = conninfo_to_dict(tier.conninfo("primary"))
    return str(settings["host"]).split(",")[0]


def has(tier: Tier, proxy: str) -> bool:
    return bool(tier.host(proxy).check_output("ip -oneline address show to %s", address(tier)))


def holder(tier: Tier) -> str:
    (found,) = (proxy for proxy in tier.groups["proxy"] if has(tier, proxy))
    return found


def other(tier: Tier, proxy: str) -> str:
    (found,) = set(tier.groups["proxy"]) - {proxy}
    return found


def sound(tier: Tier) -> bool:
    """Nothing is held against either."""
    return all(int(tier.host(proxy).file(f"{CHECK}/weight").content_string) >= 0 for proxy in tier.groups["proxy"])


@pytest.fixture
def settled(tier: Tier) -> str:
    """Who has the address when no proxy is better than another."""
    wait_until("both proxies are sound", 20, lambda: sound(tier))
    return str(wait_until("one proxy has the address", 5, lambda: holder(tier)))


def moves(tier: Tier, proxy: str, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Clients by the address are served by the other proxy within the bound, from now on."""
    taker, begin = other(tier, proxy), time.monotonic()
    wait_until(f"{taker} has the address", MOVES_WITHIN_SECONDS, lambda: has(tier, taker), pause=0.05)
    moved = time.monotonic() - begin
    assert ask(through(tier, "primary"), "SELECT 1") == 1
    served = time.monotonic() - begin
    assert served < MOVES_WITHIN_SECONDS
    with capsys.disabled():
        print(f"\n{fault}: the address moved within {moved:.1f} s, a client was served after {served:.1f} s")


def stays(tier: Tier, proxy: str, seconds: float) -> None:
    """No other proxy has it at any look."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert holder(tier) == proxy
        time.sleep(0.2)


def comes_back(tier: Tier, proxy: str) -> None:
    """The one that was broken is sound again, and nothing moves because of that."""
    wait_until("both proxies are sound", 20, lambda: sound(tier))
    stays(tier, proxy, 1)


@pytest.mark.parametrize("endpoint", [*POOLED, *DIRECT])
def test_every_endpoint_is_served_and_verified_by_the_address(tier: Tier, settled: str, endpoint: str) -> None:
    conninfo = through(tier, endpoint)
    settings = conninfo_to_dict(conninfo)
    assert settings["sslmode"] == "verify-full"
    assert address(tier) == settings["hostaddr" if endpoint in DIRECT else "host"]
    assert ask(conninfo, "SELECT pg_is_in_recovery()") == (endpoint.startswith("replica"))


def test_nothing_connects_from_the_address(tier: Tier, settled: str) -> None:
    """pg_hba knows the hosts by their own. New connections, from the proxy that has it."""
    for member in tier.groups["postgres"]:
        route = tier.host(settled).check_output("ip -oneline route get %s", tier.address(member))
        assert f"src {tier.address(settled)} " in route
    for endpoint in DIRECT:
        assert ask(through(tier, endpoint), "SELECT host(inet_client_addr())") == tier.address(settled)


def test_a_client_on_the_proxy_itself_is_let_in(tier: Tier, settled: str) -> None:
    """It comes from the virtual address."""
    settings = conninfo_to_dict(tier.conninfo("primary"))
    psql = f"psql 'host={address(tier)} port=6432 user={tier.user} dbname={tier.database} sslmode=verify-full"
    command = f"PGPASSWORD=$(cat) {psql} sslrootcert=/etc/pgtier/ca.crt' --tuples-only --no-align -c 'SELECT 7'"
    assert tier.feed(settled, command, str(settings["password"])).strip() == "7"


# The endpoints are not the one that the query goes through: each process is asked.
@pytest.mark.parametrize(
    ("what", "breaks", "mends"),
    [
        ("PgBouncer frozen", "systemctl kill -s STOP pgbouncer@replica", "systemctl kill -s CONT pgbouncer@replica"),
        ("PgBouncer stopped", "systemctl stop pgbouncer@primary_session", "systemctl start pgbouncer@primary_session"),
        ("HAProxy frozen", "systemctl kill -s STOP haproxy", "systemctl kill -s CONT haproxy"),
        ("HAProxy stopped", "systemctl stop haproxy", "systemctl start haproxy"),
        ("drained", f"touch {CHECK}/drained", f"rm {CHECK}/drained"),
        ("keepalived killed", "systemctl kill -s KILL pgtier-keepalived", "systemctl start pgtier-keepalived"),
    ],
)
def test_a_proxy_that_does_not_serve_gives_the_address_up(
    tier: Tier, settled: str, what: str, breaks: str, mends: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tier.host(settled).check_output(breaks)
    try:
        moves(tier, settled, what, capsys)
    finally:
        tier.host(settled).check_output(mends)
    comes_back(tier, other(tier, settled))


def test_silence_is_borne_with_for_a_while(tier: Tier, settled: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A process that was not stopped may only lack a processor. Its cgroup is frozen: to the kernel it sleeps."""
    tier.host(settled).check_output("systemctl freeze pgbouncer@replica")
    try:
        stays(tier, settled, 3)
        moves(tier, settled, "PgBouncer silent for 3 s already", capsys)
    finally:
        tier.host(settled).check_output("systemctl thaw pgbouncer@replica")
    comes_back(tier, other(tier, settled))


def fault(tier: Tier, host: str, name: str, others: list[str] | None = None) -> None:
    extra = ["-e", '{"others": ["' + '", "'.join(others) + '"]}'] if others else []
    tier.playbook("playbooks/lab_fault.yml", "-e", f"host={host}", "-e", f"fault={name}", *extra)


def test_only_a_proxy_that_is_worse_than_others_gives_it_up(
    tier: Tier, settled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A proxy that reaches no primary while others do; then all of them alike, which is as if there were no primary;
    then none."""
    members = tier.groups["postgres"]
    taker = other(tier, settled)
    fault(tier, settled, "cut_off", members)
    try:
        wait_until("it moves to where queries pass", 10, lambda: has(tier, taker), pause=0.05)
        assert ask(through(tier, "primary"), "SELECT 1") == 1
        fault(tier, taker, "cut_off", members)
        refused = (psycopg.OperationalError, AssertionError)
        with pytest.raises(refused):
            ask(through(tier, "primary"), "SELECT 1")
        stays(tier, taker, 5)
        assert not sound(tier)
    finally:
        # Both at about the same time: one that is well again long before the other is better, and may have it.
        healing = [threading.Thread(target=fault, args=(tier, proxy, "healed")) for proxy in (settled, taker)]
        for thread in healing:
            thread.start()
        join(healing)
    begin = time.monotonic()
    wait_until("a client is served again", 15, lambda: ask(through(tier, "primary"), "SELECT 1") == 1)
    with capsys.disabled():
        print(f"\nno primary: a client is served again {time.monotonic() - begin:.1f} s after there is one")
    comes_back(tier, taker)


def test_a_dead_host_is_replaced_and_takes_nothing_back(
    tier: Tier, settled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    taker = other(tier, settled)
    fault(tier, settled, "killed")
    try:
        moves(tier, settled, "host killed", capsys)
        # Where no address can move, clients are given all proxies, and go on to one that serves.
        for proxies in (tier.groups["proxy"], tier.groups["proxy"][::-1]):
            hosts = ",".join(tier.address(proxy) for proxy in proxies)
            begin = time.monotonic()
            line = through(tier, "primary", host=hosts, port="6432", target_session_attrs="read-write")
            assert ask(line, "SELECT pg_is_in_recovery()") is False
            with capsys.disabled():
                print(f"\nby {', '.join(proxies)}, without {settled}: connected in {time.monotonic() - begin:.1f} s")
    finally:
        fault(tier, settled, "started")
    comes_back(tier, taker)


def test_locks_of_a_proxy_that_is_gone_are_let_go(tier: Tier, settled: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody tells PostgreSQL that a host has lost its power: it has to ask."""
    gone, lock = other(tier, settled), "SELECT pg_try_advisory_xact_lock(6432)"
    line = through(tier, "primary", host=tier.address(gone))
    with psycopg.connect(line) as held, psycopg.connect(through(tier, "primary"), autocommit=True) as waiting:
        held.execute(lock)
        assert waiting.execute(lock).fetchone() == (False,)
        # Not from the other proxy, so that there is one address.
        fault(tier, gone, "cut_off", tier.groups["postgres"])
        begin = time.monotonic()
        try:
            wait_until("the lock is free", 30, lambda: waiting.execute(lock).fetchone() == (True,))
            with capsys.disabled():
                print(f"\na proxy that is gone: its locks are free after {time.monotonic() - begin:.0f} s")
        finally:
            fault(tier, gone, "healed")
            held.close()
    comes_back(tier, settled)
