"""HAProxy: a direct port per target, and which members are fit, as their Patroni says."""

from __future__ import annotations

from .endpoints import wanted_direct
from .openings import client_networks
from .schema.endpoints import Target
from .schema.haproxy import Haproxy, HaproxyBackend, HaproxyFrontend, HaproxyServer
from .settings import Settings
from .tls import ca_file
from .topology import Topology


def haproxy(settings: Settings, topology: Topology) -> Haproxy:
    direct = wanted_direct(topology)
    return Haproxy(
        client_networks=["127.0.0.0/8", *client_networks(settings, topology)],
        ca_file=ca_file(settings),
        frontends=[
            HaproxyFrontend(
                name=f"{row.target}_in",
                bind=f"*:{settings[row.port_option]}",
                backend=row.target,
                purpose=row.purpose,
            )
            for row in direct
        ],
        backends=[_backend(row.target, settings, topology) for row in direct],
        maxconn=settings["haproxy_maxconn"],
        stats_port=settings["haproxy_stats_port"],
        # Who is down is asked often, which bounds how long a new primary waits for its first client. Who is up and says
        # no is asked again at once, and is out in about a second. Who says nothing may only be busy, and to cut its
        # sessions would make matters worse: it has to be silent in each of several checks in a row. (HAProxy grants a
        # check's connect and TLS handshake one regular interval.) A primary that is gone in silence costs Patroni's
        # ttl, which is longer.
        check_interval_ms=1000,
        check_interval_fast_ms=100,
        check_interval_down_ms=200,
        fall=4,
    )


def _backend(target: Target, settings: Settings, topology: Topology) -> HaproxyBackend:
    members = topology.analytics if target == "analytics" else topology.candidates
    return HaproxyBackend(
        name=target,
        check=_check(target, settings),
        balance="roundrobin",
        servers=[
            HaproxyServer(
                name=member,
                address=topology.addresses[member],
                port=settings["postgresql_port"],
                check_port=settings["patroni_restapi_port"],
            )
            for member in members
        ],
        # Reports never fall back: they are kept away from the members that serve the application.
        fallback="primary" if target == "replica" and settings["haproxy_read_fallback"] else None,
        # Sessions on a lost primary or replica would hang. A report of an hour is worth more than a quick error.
        shutdown_sessions_on_down=target != "analytics",
        # A primary is wanted at once. A replica so starved that it answers now and then must not come and go, which
        # cuts whoever reads from it each time.
        rise=1 if target == "primary" else 3,
    )


def _check(target: Target, settings: Settings) -> str:
    if target == "primary":
        return "/primary"
    # A replica that replays an archive passes /replica too, hence the demand that it streams. Only Patroni 4.1 and
    # later know it; 4.0 takes no notice. There an archive does not make it count as caught up either, for both bounds
    # on lag go by what it has replayed, wherever that came from.
    streaming = "replication_state=streaming"
    if target == "analytics":
        # A long report holds replay up: a bound on lag would close the endpoint whenever it is used.
        return f"/replica?{streaming}"
    # Lag is what is not replayed, against the leader's position in etcd, which can be old by one loop of Patroni.
    return f"/replica?lag={settings['haproxy_replica_max_lag_mb']}MB&{streaming}"
