# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import shlex
from typing import Any, cast

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils import connections as target
from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan
from psycopg.conninfo import conninfo_to_dict


def user(name: str, *databases: str, service: bool = False, attributes: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "service": service, "databases": list(databases), "attributes": list(attributes)}


def plan(hosts: list[str] | None = None, tls: bool = False, **changes: Any) -> Plan:
    hosts = hosts or ["10.0.0.4", "10.0.0.5"]
    primary = {
        "name": "primary",
        "port": 6432,
        "pool_mode": "transaction",
        "hosts": hosts,
        "server_name": "",
        "purpose": "the application",
    }
    direct = {
        "name": "primary_direct",
        "port": 5000,
        "pool_mode": None,
        "hosts": hosts,
        "server_name": "primary.pgtier" if tls else "",
        "purpose": "dumps",
    }
    whole: dict[str, Any] = {
        "tls": {"enabled": tls},
        "databases": {"app": {"name": "app", "owner": "app"}, "logs": {"name": "logs", "owner": "team"}},
        "users": {
            "replicator": user("replicator", service=True),
            "reader": user("reader", "app"),
            "app": user("app", "app", "logs"),
            "team": user("team", "logs", attributes=("NOLOGIN",)),
        },
        "endpoints": {"primary": primary, "primary_direct": direct},
    }
    return cast(Plan, {**whole, **changes})


PASSWORDS = {"app": "p:w", "reader": "x"}


def test_who_may_connect_where() -> None:
    found = target.connections(plan(), PASSWORDS, "/s/ca.crt")
    assert {database: list(users) for database, users in found.items()} == {"app": ["reader", "app"], "logs": ["app"]}
    assert list(found["app"]["app"]) == ["primary", "primary_direct"]
    assert found["logs"]["app"]["primary_direct"] == "postgresql://app:p%3Aw@10.0.0.4:5000,10.0.0.5:5000/logs"
    assert json.loads(target.serialise(found)) == found


@pytest.mark.parametrize("text", ["x", "pä'ß: wört\\", "%41", "@:/?#[]&=+", "a b", "'"])
def test_libpq_reads_back_what_a_uri_says(text: str) -> None:
    endpoint = plan(["10.0.0.4", "fd00::1"])["endpoints"]["primary"]
    assert conninfo_to_dict(target.uri(endpoint, text, text, text)) == {
        "user": text,
        "password": text,
        "dbname": text,
        "host": "10.0.0.4,fd00::1",
        "port": "6432,6432",
    }


def test_libpq_verifies_each_endpoint_by_the_name_it_has() -> None:
    """A proxy by its address; a member, whichever it is, by what it serves, connected to at the proxies' addresses."""
    uris = target.connections(plan(tls=True), PASSWORDS, "/my lab/ca.crt")["app"]["reader"]
    common = {"user": "reader", "password": "x", "dbname": "app", "sslmode": "verify-full"}
    common["sslrootcert"] = "/my lab/ca.crt"
    assert conninfo_to_dict(uris["primary"]) == {**common, "host": "10.0.0.4,10.0.0.5", "port": "6432,6432"}
    assert conninfo_to_dict(uris["primary_direct"]) == {
        **common,
        "host": "primary.pgtier,primary.pgtier",
        "hostaddr": "10.0.0.4,10.0.0.5",
        "port": "5000,5000",
        "channel_binding": "require",
    }


def test_summary_and_pgpass_with_tls() -> None:
    line = target.endpoint_summary(plan(tls=True), "s")[3]
    assert line == (
        "  PGPASSFILE=s/pgpass PGSSLMODE=verify-full PGSSLROOTCERT=s/ca.crt PGHOSTADDR=10.0.0.4,10.0.0.5 "
        "PGCHANNELBINDING=require psql -h primary.pgtier,primary.pgtier -p 5000 -U app app"
    )
    assert "primary.pgtier:5000:app:reader:x" in target.pgpass(plan(tls=True), PASSWORDS).splitlines()


def test_pgpass() -> None:
    assert target.pgpass(plan(["fd00::1"]), {"app": "p:\\w", "reader": "x"}).splitlines() == [
        "fd00\\:\\:1:6432:app:reader:x",
        "fd00\\:\\:1:6432:app:app:p\\:\\\\w",
        "fd00\\:\\:1:6432:logs:app:p\\:\\\\w",
        "fd00\\:\\:1:5000:app:reader:x",
        "fd00\\:\\:1:5000:app:app:p\\:\\\\w",
        "fd00\\:\\:1:5000:logs:app:p\\:\\\\w",
    ]


def test_a_missing_password_is_named() -> None:
    with pytest.raises(target.ConnectionsError, match="no password for reader:"):
        target.connections(plan(), {"app": "x"}, "")


def test_summary() -> None:
    lines = target.endpoint_summary(plan(), "inventories/my lab/secrets")
    assert lines == [
        "primary, port 6432 (transaction pool): the application",
        "  PGPASSFILE='inventories/my lab/secrets/pgpass' psql -h 10.0.0.4,10.0.0.5 -p 6432 -U app app",
        "primary_direct, port 5000 (not pooled): dumps",
        "  PGPASSFILE='inventories/my lab/secrets/pgpass' psql -h 10.0.0.4,10.0.0.5 -p 5000 -U app app",
    ]
    assert shlex.split(lines[1])[0] == "PGPASSFILE=inventories/my lab/secrets/pgpass"


@pytest.mark.parametrize(
    ("databases", "expected"),
    [
        ({}, None),
        ({"logs": {"name": "logs", "owner": "team"}}, "-U app logs"),
        ({"empty": {"name": "empty", "owner": "team"}}, None),
    ],
)
def test_summary_without_the_owner(databases: dict[str, Any], expected: str | None) -> None:
    line = target.endpoint_summary(plan(databases=databases), "s")[1]
    assert line.endswith(expected) if expected else line.startswith("primary_direct")
