"""What applications connect to."""

from __future__ import annotations

from typing import Literal, TypedDict

PoolMode = Literal["transaction", "session"]
Target = Literal["primary", "replica", "analytics"]


class Endpoint(TypedDict):
    """What an application connects to. `pool_mode` is None where it is not pooled.

    `server_name` is the name that the certificate is verified against where that is not the host's own: a direct port
    leads to a member, whichever it is at the time. `""` elsewhere, and without TLS.
    """

    name: str
    port: int
    target: Target
    pool_mode: PoolMode | None
    hosts: list[str]
    server_name: str
    purpose: str
