"""Variables of certificates and whom hosts trust."""

from __future__ import annotations

from ..option import Option

OPTIONS = (
    Option(
        "tls_enabled",
        "bool",
        "Whether every connection is encrypted and its server verified. Decided when a cluster is made: a running one "
        "cannot be switched.",
        True,
        "tls",
    ),
    Option(
        "tls_names",
        "list",
        "More names and addresses under which applications reach the proxies, such as an alias in DNS. They are put "
        "into the certificates.",
        [],
        "tls",
        elements="str",
    ),
    Option(
        "tls_days",
        "int",
        "How long a host's certificate is valid.",
        365,
        "tls",
        minimum=1,
        maximum=825,
        unit="days",
    ),
    Option(
        "tls_ca_days",
        "int",
        "How long the cluster's own certificate authority is valid.",
        3650,
        "tls",
        minimum=2,
        maximum=36500,
        unit="days",
    ),
    Option(
        "tls_refuse_days",
        "int",
        "With fewer days left on a certificate a run is refused, so that nobody is surprised when it expires.",
        14,
        "tls",
        minimum=0,
        maximum=365,
        unit="days",
    ),
    Option(
        "tls_ca_certificate",
        "str",
        "Your own certificate authority as PEM text, for one to be used instead of one that is made.",
        None,
        "tls",
        planned=False,
    ),
    Option(
        "tls_ca_private_key",
        "str",
        "Private key of `tls_ca_certificate` as PEM text, best from a vault. Not needed when every host has its own "
        "`tls_certificate`.",
        None,
        "tls",
        planned=False,
    ),
    Option(
        "tls_certificate",
        "str",
        "This host's own certificate as PEM text, with intermediates after it. Default: one is issued.",
        None,
        "tls",
        "host",
        planned=False,
    ),
    Option(
        "tls_private_key",
        "str",
        "Private key of `tls_certificate` as PEM text, best from a vault.",
        None,
        "tls",
        "host",
        planned=False,
    ),
)
