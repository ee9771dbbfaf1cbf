"""Variables of the direct ports and of the replicas' fitness for reads."""

from __future__ import annotations

from ..option import Option, port_option, template_option

OPTIONS = (
    port_option("haproxy_primary_port", "haproxy", 5000, "Direct, unpooled port to the primary."),
    port_option("haproxy_replica_port", "haproxy", 5001, "Direct, unpooled port to the replicas, load-balanced."),
    port_option("haproxy_analytics_port", "haproxy", 5002, "Direct, unpooled port to the analytics replicas."),
    port_option(
        "haproxy_stats_port", "haproxy", 7000, "Port of HAProxy's own page and metrics, on the loopback address."
    ),
    Option(
        "haproxy_replica_max_lag_mb",
        "int",
        "A replica that is further behind in bytes serves no reads.",
        16,
        "haproxy",
        minimum=1,
        maximum=1024 * 1024,
        unit="MiB",
    ),
    Option(
        "haproxy_read_fallback",
        "bool",
        "Whether reads go to the primary while no replica is fit.",
        True,
        "haproxy",
    ),
    Option(
        "haproxy_maxconn",
        "int",
        "Connections that HAProxy holds at most. Each needs two of the 20,000 open files.",
        4000,
        "haproxy",
        minimum=100,
        maximum=9900,
    ),
    template_option("haproxy"),
)
