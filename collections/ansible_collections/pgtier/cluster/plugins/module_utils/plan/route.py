"""The primary's pools go straight to PostgreSQL and find it by a name. docs/benchmarks.md says what that brings.

roles/pgbouncer/files/pgtier-primary-route answers the name, from what the local HAProxy's checks say.
"""

from __future__ import annotations

from collections.abc import Sequence

from .schema import PgbouncerInstance, Route, Target
from .settings import Settings
from .tls import directory, server_name

NAME = server_name("primary")
RESOLV_CONF = "/etc/pgbouncer/route.resolv.conf"
# Whatever the name led to: a session on a standby ends itself before a client gets it.
CONNECT_QUERY = "select pg_terminate_backend(pg_backend_pid()) where pg_is_in_recovery()"


def route(settings: Settings, instances: Sequence[PgbouncerInstance]) -> Route:
    def consoles(target: Target) -> list[str]:
        return [
            f"/run/pgbouncer/{instance['name']}/.s.PGSQL.{instance['port']}"
            for instance in instances
            if instance["target"] == target
        ]

    files = directory(settings, "pgbouncer")
    return Route(
        name=NAME,
        port=settings["pgbouncer_route_port"],
        ca_file=f"{files}/ca.crt" if files else "",
        backend="primary",
        state_socket="/run/haproxy/state.sock",
        consoles=consoles("primary"),
        read_backend="replica",
        read_consoles=consoles("replica"),
    )
