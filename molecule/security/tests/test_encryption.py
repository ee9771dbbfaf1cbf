"""Nothing is served in the clear, everything is reached with `verify-full`, and PostgreSQL sees nothing but TLS."""

from __future__ import annotations

import re
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from attacker import on
from ports import KINDS, STRANGER, Port
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from tier import Tier

POOLED = ("primary", "primary_session", "replica", "replica_session")
ENDPOINTS = (*POOLED, "primary_direct", "replica_direct")
SSHD = 22


def test_nothing_else_listens_to_the_network(tier: Tier) -> None:
    """What is not in the list of ports would be tested by nothing here."""
    for host in tier.groups["postgres"]:
        sockets = tier.host(host).check_output("ss --no-header --listening --numeric --tcp --udp")
        locals_ = [line.split()[4] for line in sockets.splitlines()]
        open_ = {int(local.rpartition(":")[2]) for local in locals_ if not re.match(r"127\.|\[::1\]|.*%lo:", local)}
        assert open_ == {*KINDS, SSHD}, host


def test_a_login_without_tls_is_refused_from_another_host(tier: Tier, doors: list[Port]) -> None:
    databases = [port for port in doors if port.protocol == "postgres"]
    login = {"user": tier.user, "database": tier.database}
    answers = on(
        tier, STRANGER, [("postgres_in_clear", {"host": p.address, "port": p.number, **login}) for p in databases]
    )
    for port, answer in zip(databases, answers, strict=True):
        # In PostgreSQL's and PgBouncer's own words: a port that nobody answers on would not have refused.
        assert answer.get("kind") == "E", f"{port}: {answer}"
        assert re.search(r"no encryption|SSL required|TLS required", answer["text"]), f"{port}: {answer}"


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_right_password_does_not_help_without_tls(tier: Tier, endpoint: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no encryption|SSL required|TLS required"):
        tier.connect(endpoint, proxy=0, sslmode="disable", channel_binding="disable").close()


def test_a_request_without_tls_is_refused_from_another_host(tier: Tier, doors: list[Port]) -> None:
    paths = {2379: "/health", 2380: "/members", 8008: "/health"}
    web = [port for port in doors if port.protocol == "http"]
    asked = [{"host": p.address, "port": p.number, "path": paths[p.number]} for p in web]
    clear = on(tier, STRANGER, [("http_in_clear", one) for one in asked])
    encrypted = on(tier, STRANGER, [("tls", {"host": p.address, "port": p.number}) for p in web])
    for port, answer, control in zip(web, clear, encrypted, strict=True):
        # Go answers that one should speak TLS, Python hangs up.
        assert "text" in answer, f"{port}: {answer}"
        assert answer["text"] == "" or re.match(r"HTTP/1\.\d 400 ", answer["text"]), f"{port}: {answer}"
        assert control.get("version", "").startswith("TLSv1."), f"{port}: {control}"


def test_every_endpoint_is_verified_in_full_from_another_host(tier: Tier) -> None:
    """With what is handed out to applications, and nothing else: the authorities to trust, and a file of passwords."""
    secrets = tier.inventory / "secrets"
    for name, file in (("ca.crt", tier.ca_file), ("pgpass", secrets / "pgpass")):
        tier.feed(STRANGER, f"umask 077; cat > /root/{name}", file.read_text())
    lines, expected = [], []
    for user in tier.connections[tier.database]:
        for endpoint in tier.connections[tier.database][user]:
            for proxy in range(len(tier.groups["proxy"])):
                conninfo = handed_out(tier, endpoint, user, proxy)
                lines.append(f"psql --no-psqlrc -qAt -c 'SELECT current_user' \"{conninfo}\"")
                expected.append(user)
    assert len(lines) == 2 * len(ENDPOINTS) * 3
    script = "\n".join(["export PGPASSFILE=/root/pgpass", *(f"{line} 2>&1" for line in lines)])
    assert tier.feed(STRANGER, "sh -s", script).splitlines() == expected


def handed_out(tier: Tier, endpoint: str, user: str, proxy: int) -> str:
    settings: dict[str, Any] = dict(conninfo_to_dict(tier.conninfo(endpoint, user=user, proxy=proxy)))
    assert settings["sslmode"] == "verify-full"
    del settings["password"]
    settings["sslrootcert"] = "/root/ca.crt"
    return make_conninfo(**settings)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_endpoint_is_verified_in_full_from_here(tier: Tier, endpoint: str) -> None:
    for proxy in range(len(tier.groups["proxy"])):
        assert conninfo_to_dict(tier.conninfo(endpoint, proxy=proxy))["sslmode"] == "verify-full"
        assert tier.ask(endpoint, "SELECT 1", proxy=proxy) == 1


def test_postgresql_sees_nothing_but_tls(tier: Tier) -> None:
    """Every backend that came by TCP: of pools and of direct ports while they are in use, and those that replicate."""
    proxies = range(len(tier.groups["proxy"]))
    names = {f"seen by {endpoint} {proxy}": (endpoint, proxy) for endpoint in ENDPOINTS for proxy in proxies}
    statement = (
        "SELECT a.application_name, a.backend_type, s.ssl, s.version, s.bits FROM pg_stat_activity a "
        "JOIN pg_stat_ssl s USING (pid) WHERE a.client_addr IS NOT NULL"
    )
    with ExitStack() as stack:
        for name, (endpoint, proxy) in names.items():
            connection = stack.enter_context(tier.connect(endpoint, proxy=proxy, application_name=name))
            # An open transaction keeps the pool's connection for this client.
            connection.execute("BEGIN; SELECT 1")
        rows = [row for member in tier.groups["postgres"] for row in tier.psql(member, statement)]
        listed = tier.host(tier.groups["proxy"][0]).check_output(
            "cd /; for i in 0 1 2 3; do set -- primary 6432 primary_session 6433 replica 6442 replica_session 6443; "
            "shift $((2 * i)); sudo -u postgres psql --no-psqlrc -qAF '|' -h /run/pgbouncer/$1 -p $2 -U pgbouncer "
            "pgbouncer -c 'SHOW CLIENTS'; done"
        )
    assert {row[0] for row in rows} >= set(names)
    assert [row for row in rows if row[2] != "t" or row[3] not in ("TLSv1.2", "TLSv1.3") or int(row[4]) < 128] == []
    assert len([row for row in rows if row[1] == "walsender"]) == len(tier.groups["postgres"]) - 1

    clients = []
    for line in listed.splitlines():
        fields = line.split("|")
        if fields[0] == "type":
            header = fields
        elif len(fields) == len(header):
            clients.append(dict(zip(header, fields, strict=True)))
    strangers = [client for client in clients if client["addr"] != "unix"]
    assert {client["application_name"] for client in strangers} >= {f"seen by {endpoint} 0" for endpoint in POOLED}
    assert [client for client in strangers if not client["tls"].startswith("TLSv1.")] == []


def test_passwords_are_proved_by_scram_only(tier: Tier) -> None:
    for member in tier.groups["postgres"]:
        rules = tier.psql(member, "SELECT type, auth_method FROM pg_hba_file_rules WHERE error IS NULL")
        remote = {(kind, method) for kind, method in rules if kind != "local"}
        assert ("hostssl", "scram-sha-256") in remote, member
        assert remote <= {("hostssl", "scram-sha-256"), ("host", "reject")}, member
        assert tier.psql(member, "SELECT count(*) FROM pg_hba_file_rules WHERE error IS NOT NULL") == [["0"]], member
        assert tier.psql(member, "SHOW password_encryption") == [["scram-sha-256"]], member
    for proxy in tier.groups["proxy"]:
        lines = tier.host(proxy).check_output("grep -v '^#' /etc/pgbouncer/hba.conf").splitlines()
        rules = {(line.split()[0], line.split()[-1]) for line in lines}
        assert ("hostssl", "scram-sha-256") in rules and rules <= {("hostssl", "scram-sha-256"), ("host", "reject")}
