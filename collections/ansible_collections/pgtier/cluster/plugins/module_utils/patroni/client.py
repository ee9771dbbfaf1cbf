"""A thin client of Patroni's REST API. The standard library is enough, and is on every host."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class PatroniError(Exception):
    """A member answered, but not with what was asked for."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class NoAnswer(PatroniError):
    """No member has an answer (yet): nothing listens there, or the cluster is not bootstrapped."""


@dataclass(frozen=True)
class Answer:
    url: str
    status: int
    body: Any


class PatroniClient:
    """Asks the members in turn, and stays with the first one that answers.

    A request that may not be repeated on another member without harm goes to one alone (`post`).
    """

    def __init__(
        self,
        urls: Sequence[str],
        user: str | None = None,
        password: str | None = None,
        timeout: float = 3.0,
        cafile: str | None = None,
    ) -> None:
        if not urls:
            raise ValueError("urls is empty: give the REST API address of at least one member, https://ADDRESS:8008")
        self.urls = [url.rstrip("/") for url in urls]
        self.timeout = timeout
        self._credentials = (user, password) if user and password else None
        self.cafile = cafile
        # Members are neighbours: a proxy from the environment would only be in the way.
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if cafile:
            try:
                context = ssl.create_default_context(cafile=cafile)
            except OSError as error:  # ssl.SSLError is one
                raise ValueError(f"cafile {cafile} holds no certificates that can be read: {error}") from error
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def at(self, url: str, timeout: float | None = None) -> PatroniClient:
        """The same client for one member alone."""
        user, password = self._credentials or (None, None)
        return PatroniClient([url], user, password, timeout or self.timeout, self.cafile)

    def cluster(self) -> dict[str, Any]:
        """GET /cluster: all members, read from the DCS."""
        return self._object(self._ask("GET", "/cluster"))

    def config(self) -> dict[str, Any]:
        """GET /config: the dynamic configuration as this member knows it."""
        return self._object(self._ask("GET", "/config"))

    def status(self) -> dict[str, Any]:
        """GET /patroni: the member itself, also while its PostgreSQL is down (503)."""
        return self._object(self._ask("GET", "/patroni", accept=(200, 503)))

    def is_primary(self) -> bool:
        """OPTIONS /primary: whether the member runs as the leader."""
        return self._ask("OPTIONS", "/primary", accept=(200, 503)).status == 200

    def post(self, path: str, body: Mapping[str, Any], accept: Sequence[int] = (200,)) -> Answer:
        """POST, for a client of one member (`at`): what is asked for happens there."""
        if len(self.urls) != 1:
            raise ValueError(f"POST {path} is meant for one member, not for {len(self.urls)}")
        return self._ask("POST", path, body, accept)

    def patch_config(self, patch: Mapping[str, Any]) -> dict[str, Any]:
        """PATCH /config. Raises PatroniError with status 409 if someone else changed it meanwhile."""
        return self._object(self._ask("PATCH", "/config", body=patch))

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, accept: Sequence[int] = (200,)
    ) -> Answer:
        failures = []
        for url in list(self.urls):
            if not url:
                failures.append("a member that etcd knows without an address, for most others find its host silent")
                continue
            try:
                answer = self._request(method, url + path, body)
            except (OSError, http.client.HTTPException) as error:  # refused, unreachable, timed out, not HTTP
                failures.append(f"{url}: {getattr(error, 'reason', None) or error}")
                continue
            if answer.status in accept:
                self.urls.remove(url)
                self.urls.insert(0, url)
                return answer
            if answer.status < 500:
                raise PatroniError(self._refusal(method, answer), answer.status)
            failures.append(f"{url}: HTTP {answer.status} on {path}")
        raise NoAnswer(
            f"no Patroni member answers {method} {path}; tried {'; '.join(failures)}. "
            "See `systemctl status patroni` and `journalctl -u patroni` on these hosts, "
            "and whether etcd is healthy and a firewall lets this host in."
        )

    def _request(self, method: str, url: str, body: Mapping[str, Any] | None) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
            if self._credentials:  # reads need no password, so it is not sent with them
                token = base64.b64encode(":".join(self._credentials).encode()).decode()
                request.add_header("Authorization", f"Basic {token}")
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                status, raw = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, raw = error.code, error.read()
        try:
            parsed = json.loads(raw) if raw else None
        except ValueError:
            parsed = raw.decode(errors="replace")
        return Answer(url, status, parsed)

    @staticmethod
    def _object(answer: Answer) -> dict[str, Any]:
        if not isinstance(answer.body, dict):
            raise PatroniError(f"{answer.url} answered something that is not a JSON object: is this Patroni's port?")
        return answer.body

    @staticmethod
    def _refusal(method: str, answer: Answer) -> str:
        if answer.status in (401, 403):
            why = "user and password must be those of restapi.authentication in this member's config.yml"
        elif answer.status == 409:
            why = "the configuration changed at the same moment"
        else:
            why = str(answer.body)[:200]
        return f"{method} {answer.url} was refused with HTTP {answer.status}: {why}"
