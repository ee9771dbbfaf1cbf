# SPDX-License-Identifier: Apache-2.0
"""etcd's JSON gateway: requests to whichever member answers, and what of them is needed here."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any

Json = dict[str, Any]


class Unavailable(Exception):
    """No member has answered, or etcd has no majority."""


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def decode(text: str) -> str:
    return base64.b64decode(text).decode()


def trusting(tls_directory: str) -> ssl.SSLContext | None:
    """Made anew for each connection: certificates are rotated."""
    if not tls_directory:
        return None
    context = ssl.create_default_context(cafile=f"{tls_directory}/ca.crt")
    context.load_cert_chain(f"{tls_directory}/host.crt", f"{tls_directory}/host.key")
    return context


class Etcd:
    """The members at `urls`, the nearest first. One connection is kept, to the one that answered last."""

    def __init__(self, urls: Sequence[str], tls_directory: str, timeout: float = 1.0) -> None:
        self.urls = list(urls)
        self.tls_directory = tls_directory
        self.timeout = timeout
        self.connection: http.client.HTTPConnection | None = None

    def call(self, method: str, body: Json | None = None) -> Json:
        last: Exception | None = None
        # The first may be a connection that went stale, so each member has a turn after it.
        for url in ["", *self.urls] if self.connection else self.urls:
            try:
                if url:
                    self.connection = self._connect(url)
                assert self.connection is not None
                self.connection.request("POST", f"/v3/{method}", json.dumps(body or {}))
                answer = self.connection.getresponse()
                said: Json = json.loads(answer.read())
                if answer.status == 200:
                    return said
                last = Unavailable(f"{method}: {said.get('error', answer.status)}")
            except (OSError, http.client.HTTPException, ValueError) as error:
                last = error
            self.close()
        raise Unavailable(str(last)) from last

    def _connect(self, url: str) -> http.client.HTTPConnection:
        parts = urllib.parse.urlsplit(url)
        host, context = parts.hostname or "", trusting(self.tls_directory)
        if context is None:
            return http.client.HTTPConnection(host, parts.port, timeout=self.timeout)
        return http.client.HTTPSConnection(host, parts.port, timeout=self.timeout, context=context)

    def close(self) -> None:
        if self.connection:
            self.connection.close()
            self.connection = None

    def pairs(self, *prefixes: str) -> list[dict[str, str]]:
        """All keys with these beginnings at one moment, by etcd's majority."""
        ranges = [
            {"request_range": {"key": encode(p), "range_end": encode(p[:-1] + chr(ord(p[-1]) + 1))}} for p in prefixes
        ]
        found = self.call("kv/txn", {"success": ranges})["responses"]
        return [_pair(kv) for one in found for kv in one["response_range"].get("kvs", [])]

    def transaction(self, compare: Sequence[Json], success: Sequence[Json]) -> bool:
        """Whether all that is compared was so, and therefore the rest was done."""
        return bool(self.call("kv/txn", {"compare": list(compare), "success": list(success)}).get("succeeded"))

    def grant(self, seconds: int) -> str:
        return str(self.call("lease/grant", {"TTL": str(seconds)})["ID"])


def _pair(kv: Json) -> dict[str, str]:
    pair = {name: str(value) for name, value in kv.items()}
    return {**pair, "key": decode(kv["key"]), "value": decode(kv.get("value", ""))}


@contextlib.contextmanager
def at(url: str, tls_directory: str, timeout: float = 1.0) -> Iterator[Etcd]:
    """One member, for a question or two about itself."""
    one = Etcd([url], tls_directory, timeout)
    try:
        yield one
    finally:
        one.close()


def value_is(key: str, value: str) -> Json:
    return {"key": encode(key), "target": "VALUE", "result": "EQUAL", "value": encode(value)}


def revision_is(key: str, revision: str) -> Json:
    """That the key has not been touched since this revision; with 0, that there is none."""
    if revision == "0":
        return {"key": encode(key), "target": "CREATE", "result": "EQUAL", "create_revision": "0"}
    return {"key": encode(key), "target": "MOD", "result": "EQUAL", "mod_revision": revision}


def put(key: str, value: str, lease: str) -> Json:
    return {"request_put": {"key": encode(key), "value": encode(value), "lease": lease}}


def delete(key: str) -> Json:
    return {"request_delete_range": {"key": encode(key)}}
