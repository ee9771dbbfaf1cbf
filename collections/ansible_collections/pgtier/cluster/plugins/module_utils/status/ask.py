# SPDX-License-Identifier: Apache-2.0
"""Ask every Patroni and every etcd member of a cluster, all at once: who does not answer holds up nobody else.

What comes back is their own words, or why there are none. Nothing is judged here.
"""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# An answer with one of these is one: Patroni says 503 while its PostgreSQL is down, etcd while it has no leader.
_ANSWERS = (200, 503)

Answer = dict[str, Any]  # {"moment": …, "body": …} or {"error": …}


def trusting(cafile: str | None, certificate: str | None = None, key: str | None = None) -> ssl.SSLContext | None:
    """None without a `cafile`: everything is in the clear then."""
    if not cafile:
        return None
    context = ssl.create_default_context(cafile=cafile)
    if certificate and key:
        context.load_cert_chain(certificate, key)
    return context


def answer(url: str, context: ssl.SSLContext | None, timeout: float, body: Mapping[str, Any] | None = None) -> Answer:
    """The JSON object at a URL, with the moment before it was asked for."""
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if context:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    data = None if body is None else json.dumps(body).encode()
    moment = time.time()
    try:
        try:
            with urllib.request.build_opener(*handlers).open(
                urllib.request.Request(url, data=data), timeout=timeout
            ) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        found = json.loads(raw)
    except (OSError, ValueError) as error:  # refused, unreachable, timed out, TLS; not JSON
        return {"error": str(getattr(error, "reason", None) or error)}
    if status not in _ANSWERS or not isinstance(found, dict):
        return {"error": f"HTTP {status} on {url}"}
    return {"moment": moment, "body": found}


def patroni(members: Mapping[str, str], context: ssl.SSLContext | None, timeout: float) -> dict[str, Any]:
    """`members` is {name: URL}. The cluster is the word of the first member that has it from the DCS."""

    def one(url: str) -> dict[str, Answer]:
        return {path: answer(f"{url}/{path}", context, timeout) for path in ("patroni", "cluster")}

    found = _at_once(members, one)
    clusters = [said["cluster"] for said in found.values()]
    known = next((said for said in clusters if "members" in said.get("body", {})), None)
    return {"cluster": known, "members": {name: said["patroni"] for name, said in found.items()}}


def etcd(members: Mapping[str, str], context: ssl.SSLContext | None, timeout: float) -> dict[str, Any]:
    """`members` is {name: URL}. `health` is a read that needs the quorum, `status` is the member's own."""

    def one(url: str) -> dict[str, Answer]:
        status = answer(f"{url}/v3/maintenance/status", context, timeout, {})
        if "error" in status:
            return {"status": status, "health": status}
        return {"status": status, "health": answer(f"{url}/health", context, timeout)}

    found = _at_once(members, one)
    up = [url for name, url in members.items() if "body" in found[name]["status"]]
    listed = answer(f"{up[0]}/v3/cluster/member/list", context, timeout, {"linearizable": False}) if up else None
    return {"members": found, "listed": listed}


def _at_once(members: Mapping[str, str], one: Callable[[str], dict[str, Answer]]) -> dict[str, dict[str, Answer]]:
    if not members:
        return {}
    with ThreadPoolExecutor(len(members)) as pool:
        return dict(zip(members, pool.map(one, members.values()), strict=True))
