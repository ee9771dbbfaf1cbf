"""Arguments of every module that talks to Patroni's REST API, and the client made from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient

ARGUMENTS: dict[str, Any] = {
    "urls": {"type": "list", "elements": "str", "required": True},
    "cafile": {"type": "path"},
    "timeout": {"type": "float", "default": 3.0},
}
# Of modules that change something: Patroni asks for these before it does.
CREDENTIALS: dict[str, Any] = {
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
}


def client_of(params: Mapping[str, Any]) -> PatroniClient:
    """The client that a module's parameters ask for. Raises ValueError if they do not fit together."""
    return PatroniClient(
        params["urls"],
        params.get("user"),
        params.get("password"),
        params["timeout"],
        params["cafile"],
    )
