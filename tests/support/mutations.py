"""Settings that are broken one at a time on a running tier, and the test of which each has to turn red."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

_KEPT = "/root/before-the-mutation"
_PSQL = "cd /; runuser -u postgres -- psql --no-psqlrc -v ON_ERROR_STOP=1 -qAt -d app -c "
_POSTMASTER = "$(head -n 1 /var/lib/postgresql/*/main/postmaster.pid)"


@dataclass(frozen=True)
class Mutation:
    """`where` is a group, or `leader`. Both scripts are for root on each host; `red` is the test by pytest's name."""

    name: str
    where: str
    change: str
    undo: str
    red: str


def _edit(name: str, where: str, path: str, expression: str, after: str, red: str) -> Mutation:
    """A file changed by sed. A mutation that changes nothing is refused: it would prove nothing."""
    return Mutation(
        name,
        where,
        f"cp -a {path} {_KEPT}\nsed -E -i {shlex.quote(expression)} {path}\n"
        f"if cmp -s {path} {_KEPT}; then echo 'nothing was changed in {path}' >&2; exit 1; fi\n{after}",
        f"if [ -e {_KEPT} ]; then mv {_KEPT} {path}; {after}; fi",
        red,
    )


def _unit(name: str, where: str, unit: str, line: str, red: str, after: str = "true") -> Mutation:
    """A line of a unit overruled."""
    directory = f"/etc/systemd/system/{unit}.service.d"
    return Mutation(
        name,
        where,
        f"mkdir -p {directory}\nprintf '[Service]\\n{line}\\n' > {directory}/zz-mutation.conf\n"
        f"systemctl daemon-reload\n{after}",
        f"rm -f {directory}/zz-mutation.conf\nsystemctl daemon-reload\n{after}\n"
        "systemctl start $(systemctl list-dependencies --plain --no-pager multi-user.target "
        "| grep -oE '(etcd|patroni|haproxy|pgbouncer@|pgtier-)[^ ]*[.]service')",
        red,
    )


def _patroni(name: str, setting: str, broken: str, whole: str, red: str) -> Mutation:
    """A setting of Patroni's dynamic configuration."""
    edit = "patronictl -c /etc/patroni/config.yml edit-config --force --set"
    return Mutation(name, "leader", f"{edit} {setting}={broken}\nsleep 3", f"{edit} {setting}={whole}\nsleep 3", red)


def _sql(name: str, change: str, undo: str, red: str) -> Mutation:
    return Mutation(name, "leader", _PSQL + shlex.quote(change), _PSQL + shlex.quote(undo), red)


_POOLS = "for e in primary primary_session replica replica_session; do systemctl reload pgbouncer@$e; done; sleep 1"
_ENDPOINTS = "/etc/pgbouncer/endpoints"
_DEFAULT = "molecule/default/tests"
_FAULT = "molecule/failure/tests/test_faults.py::test_fault"
_HBA = "/var/lib/postgresql/17/main/pg_hba.conf"
_HBA_AGAIN = f"kill -HUP {_POSTMASTER}; sleep 1"


def _pool(name: str, endpoint: str, expression: str, red: str) -> Mutation:
    return _edit(
        name,
        "proxy",
        f"{_ENDPOINTS}/{endpoint}.ini",
        expression,
        f"systemctl reload pgbouncer@{endpoint}; sleep 1",
        red,
    )


_TABLE = (
    _edit(
        "the write port leads to replicas",
        "proxy",
        "/etc/haproxy/haproxy.cfg",
        "s|uri /primary$|uri /replica|",
        "systemctl reload haproxy; sleep 5",
        "molecule/failure/tests/test_sessions.py::test_the_direct_ports_lead_where_they_should",
    ),
    _edit(
        "sessions stay with a primary that is marked down",
        "proxy",
        "/etc/haproxy/haproxy.cfg",
        "s| on-marked-down shutdown-sessions||",
        "systemctl reload haproxy; sleep 3",
        "molecule/failure/tests/test_sessions.py::test_a_direct_session_ends_with_its_primary",
    ),
    _pool(
        "the transaction pool is one of sessions",
        "primary",
        "s|^pool_mode.*|pool_mode = session|",
        f"{_DEFAULT}/test_transaction_pool.py::test_one_backend_serves_two_clients_in_turn",
    ),
    _pool(
        "the session pool is one of transactions",
        "primary_session",
        "s|^pool_mode.*|pool_mode = transaction|",
        f"{_DEFAULT}/test_session_pool.py::test_a_setting_lives_as_long_as_the_session",
    ),
    _pool(
        "prepared statements are not kept",
        "primary",
        "s|^max_prepared_statements.*|max_prepared_statements = 0|",
        f"{_DEFAULT}/test_transaction_pool.py::test_statements_prepared_by_the_protocol_work_on_any_backend",
    ),
    _pool(
        "the pool has more connections than it should",
        "primary",
        "s|^default_pool_size.*|default_pool_size = 60|;s|max_db_connections=[0-9]+|max_db_connections=60|",
        f"{_DEFAULT}/test_transaction_pool.py::test_two_thousand_clients_are_served_by_twenty_backends",
    ),
    _pool(
        "the endpoint takes few clients",
        "primary",
        "s|^max_client_conn.*|max_client_conn = 100|",
        f"{_DEFAULT}/test_transaction_pool.py::test_two_thousand_clients_are_served_by_twenty_backends",
    ),
    _pool(
        "passwords are not looked up",
        "primary",
        "/^auth_query/d;/^auth_user/d",
        f"{_DEFAULT}/test_transaction_pool.py::test_a_user_created_later_logs_in_at_once",
    ),
    _pool(
        "the lookup does not mind when a login has expired",
        "primary",
        "s|^auth_query.*|auth_query = SELECT usename, passwd FROM pg_shadow WHERE usename=\\$1|",
        f"{_DEFAULT}/test_refusals.py::test_a_login_that_has_expired_is_refused_by_the_pools",
    ),
    _pool(
        "a failed login to a server is remembered for long",
        "replica",
        "s|^server_login_retry.*|server_login_retry = 15|",
        f"{_DEFAULT}/test_read_endpoint.py::test_without_a_replica_the_primary_answers_and_with_one_it_stops",
    ),
    _edit(
        "the pools trust whoever comes",
        "proxy",
        "/etc/pgbouncer/hba.conf",
        "s|scram-sha-256|trust|",
        _POOLS,
        f"{_DEFAULT}/test_refusals.py::test_a_wrong_password_is_refused[primary]",
    ),
    _edit(
        "the pools ask for md5",
        "proxy",
        "/etc/pgbouncer/hba.conf",
        "s|scram-sha-256|md5|",
        _POOLS,
        "molecule/security/tests/test_encryption.py::test_passwords_are_proved_by_scram_only",
    ),
    Mutation(
        "everybody reads PgBouncer's passwords",
        "proxy",
        f"stat -c %a /etc/pgbouncer/userlist.txt > {_KEPT}; chmod 0644 /etc/pgbouncer/userlist.txt",
        f"chmod $(cat {_KEPT}) /etc/pgbouncer/userlist.txt; rm -f {_KEPT}",
        f"{_DEFAULT}/test_hardening.py::test_files_have_the_owners_and_modes_that_they_should[proxy]",
    ),
    _edit(
        "PostgreSQL trusts whoever comes",
        "postgres",
        _HBA,
        "1i host all all 0.0.0.0/0 trust",
        _HBA_AGAIN,
        f"{_DEFAULT}/test_refusals.py::test_a_wrong_password_is_refused[primary_direct]",
    ),
    _edit(
        "PostgreSQL asks for md5",
        "postgres",
        _HBA,
        "s|scram-sha-256|md5|",
        _HBA_AGAIN,
        f"{_DEFAULT}/test_refusals.py::test_no_rule_trusts_an_address",
    ),
    _patroni(
        "commits do not wait for a standby",
        "synchronous_mode",
        "off",
        "quorum",
        f"{_DEFAULT}/test_replication.py::test_two_standbys_make_the_quorum",
    ),
    _patroni(
        "commits are acknowledged when they are on one disk",
        "postgresql.parameters.synchronous_commit",
        "local",
        "on",
        "molecule/failure/tests/test_control.py::test_the_checker_finds_what_asynchronous_replication_loses[quorum-False]",
    ),
    _patroni(
        "the primary does not go on without etcd",
        "failsafe_mode",
        "false",
        "true",
        f"{_FAULT}[stop_etcd_majority]",
    ),
    _patroni("the leader's term is long", "ttl", "90", "20", f"{_FAULT}[freeze_postgres]"),
    _unit("Patroni stays dead", "postgres", "patroni", "Restart=no", f"{_FAULT}[kill_patroni]"),
    _unit("etcd stays dead", "etcd", "etcd", "Restart=no", f"{_FAULT}[kill_etcd]"),
    _unit("HAProxy stays dead", "proxy", "haproxy", "Restart=no", f"{_FAULT}[kill_haproxy]"),
    _unit("PgBouncer stays dead", "proxy", "pgbouncer@", "Restart=no", f"{_FAULT}[kill_pgbouncer]"),
    _unit("the route stays dead", "proxy", "pgtier-primary-route", "Restart=no", f"{_FAULT}[kill_route]"),
    _unit(
        "HAProxy may gain privileges",
        "proxy",
        "haproxy",
        "NoNewPrivileges=no",
        f"{_DEFAULT}/test_hardening.py::test_no_process_can_gain_privileges_or_call_what_it_has_no_use_for",
        "systemctl restart haproxy; sleep 2",
    ),
    _sql(
        "everybody makes tables in public",
        "GRANT ALL ON SCHEMA public TO PUBLIC",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"{_DEFAULT}/test_privileges.py::test_public_is_closed_to_whom_nothing_was_granted",
    ),
    _sql(
        "the application makes roles",
        "ALTER ROLE app_web CREATEROLE",
        "ALTER ROLE app_web NOCREATEROLE",
        f"{_DEFAULT}/test_privileges.py::test_nobody_has_attributes_or_memberships_that_the_inventory_does_not_give",
    ),
)
MUTATIONS = {mutation.name: mutation for mutation in _TABLE}
