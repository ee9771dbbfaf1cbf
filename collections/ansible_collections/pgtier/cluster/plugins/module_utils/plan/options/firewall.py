"""Variables of what a host lets in."""

from __future__ import annotations

from ..option import Option, template_option

OPTIONS = (
    Option(
        "firewall_enabled",
        "bool",
        "Whether each host lets in only what the cluster needs, by a table of its own in nftables.",
        False,
        "firewall",
    ),
    Option(
        "firewall_admin_networks",
        "list",
        "Networks, in CIDR notation, that the firewall lets ssh in from. The controller has to be in one. "
        "Default: all.",
        [],
        "firewall",
        elements="str",
    ),
    Option(
        "firewall_extra",
        "list",
        "More ports that the firewall opens on this host, for services that are not of the cluster.",
        [],
        "firewall",
        "host",
        elements="dict",
        keys=(
            Option("port", "int", "The port.", required=True, minimum=1, maximum=65535),
            Option("protocol", "str", "Its protocol.", "tcp", choices=("tcp", "udp")),
            Option("networks", "list", "Networks, in CIDR notation, that may reach it.", [], elements="str"),
            Option("purpose", "str", "What it is for.", "firewall_extra"),
        ),
    ),
    template_option("firewall"),
)
