"""A Patroni member on loopback that answers as 4.0 does, for the tests of what talks to it."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.dynamic import apply_patch


class FakeMember:
    """`config` None: not bootstrapped. `conflicts`: how many PATCHes meet someone else's change."""

    def __init__(self, config: dict[str, Any] | None = None, name: str = "pg1") -> None:
        self.config = config
        self.requests: list[tuple[str, str, str | None]] = []
        self.conflicts = 0
        self.on_conflict: Callable[[], None] = lambda: None
        self.last_seen = 1000
        self.pending: dict[str, Any] = {}
        self.others: list[dict[str, Any]] = []
        self.leads = True
        self.says_nothing_for = 0.0
        # What GET /patroni has beside the rest.
        self.says: dict[str, Any] = {}
        # What it answers to a POST of this path; a function for one that does something first.
        self.posts: dict[str, Callable[[dict[str, Any]], tuple[int, Any]]] = {}
        self.name = name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: bytes, authorization: str | None) -> tuple[int, Any]:
        self.requests.append((method, path, authorization))
        time.sleep(self.says_nothing_for)
        if method == "PATCH":
            if authorization != "Basic " + b64encode(b"patroni:secret").decode():
                return 401, "no auth header received"
            if self.conflicts:
                self.conflicts -= 1
                self.on_conflict()
                return 409, None
            assert self.config is not None
            self.config = apply_patch(self.config, json.loads(body))
            return 200, self.config
        if method == "OPTIONS":
            return (200 if self.leads else 503), None
        if method == "POST":
            return self.posts[path](json.loads(body))
        if path == "/config":
            return (200, self.config) if self.config is not None else (502, None)
        if path == "/cluster":
            me = {
                "name": self.name,
                "role": "leader" if self.leads else "replica",
                "state": "running",
                "api_url": self.url + "/patroni",
            }
            return 200, {"scope": "main", "members": [{**me, "timeline": 1}, *self.others]}
        self.last_seen += 1
        flag = {"pending_restart": True, "pending_restart_reason": self.pending} if self.pending else {}
        return 200, {"state": "running", "dcs_last_seen": self.last_seen, **flag, **self.says}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        member = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, answer = member.answer(self.command, self.path, body, self.headers.get("Authorization"))
                raw = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_PATCH = do_POST = do_OPTIONS = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
