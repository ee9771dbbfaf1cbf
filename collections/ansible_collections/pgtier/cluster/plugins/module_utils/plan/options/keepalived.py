"""Variables of the address that moves between the proxies."""

from __future__ import annotations

from ..option import Option, template_option

OPTIONS = (
    Option(
        "keepalived_address",
        "str",
        "Virtual address, without a prefix length: one that is free in the network that the proxies share, and that "
        "one of them has at any time. Clients then need no other. Default: none.",
        None,
        "keepalived",
    ),
    Option(
        "keepalived_router_id",
        "int",
        "Number that tells this virtual address from others between the same hosts. Default: the address's last byte, "
        "or 255 where that is 0.",
        None,
        "keepalived",
        minimum=1,
        maximum=255,
    ),
    Option(
        "keepalived_interface",
        "str",
        "Network interface that takes the virtual address on this host. Default: the one that has the host's own.",
        None,
        "keepalived",
        "host",
    ),
    template_option("keepalived"),
)
