"""Variables of the configuration store that Patroni elects the primary in."""

from __future__ import annotations

from ..option import Option, port_option, template_option

OPTIONS = (
    port_option("etcd_client_port", "etcd", 2379, "Port on which etcd serves Patroni."),
    port_option("etcd_peer_port", "etcd", 2380, "Port on which etcd's members talk to each other."),
    Option(
        "etcd_token",
        "str",
        "Token of the etcd cluster, which keeps two clusters apart that start on one network. Default: the scope.",
        None,
        "etcd",
    ),
    template_option("etcd"),
)
