"""Variables of every host: packages and kernel settings."""

from __future__ import annotations

from ..option import Option, template_option

OPTIONS = (
    Option(
        "system_packages",
        "list",
        "More Debian packages for every host, for example those of extensions that pgtier does not know.",
        [],
        "system",
        elements="str",
    ),
    Option(
        "system_sysctl",
        "dict",
        "Kernel settings that win over the computed ones, by name.",
        {},
        "system",
    ),
    template_option("system"),
)
