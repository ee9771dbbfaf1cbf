# SPDX-License-Identifier: Apache-2.0
"""Whether a host answers. Any answer counts, a refused connection or a failed handshake too: it shows that the host is
alive and reachable, and then the lease decides. Only silence from all of its ports is silence."""

from __future__ import annotations

import errno
import http.client
import select
import socket
import ssl
import threading
import time
from typing import Any

from decide import Member

# Knocks that in a row have to stay without an answer, after a request that did.
KNOCKS = 3
_NOBODY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.ETIMEDOUT)


def unverified() -> ssl.SSLContext:
    """Nothing is told and nothing believed: whoever answers, it is an answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def request(member: Member, context: ssl.SSLContext | None, patience: float) -> bool:
    """Ask Patroni, as a health check does: no line in its log, no process of PostgreSQL's."""
    kind = http.client.HTTPConnection if context is None else http.client.HTTPSConnection
    options: dict[str, Any] = {} if context is None else {"context": context}
    connection = kind(member.address, member.restapi_port, timeout=patience, **options)
    try:
        connection.request("GET", "/liveness")
        connection.getresponse().read()
    except TimeoutError:
        return False
    except OSError as error:
        return error.errno not in _NOBODY
    except http.client.HTTPException:
        return True
    finally:
        connection.close()
    return True


def knock(member: Member, patience: float) -> bool:
    """Whether the host answers a connection to any of its ports. Connections of their own each time: a packet that is
    lost is not sent again by TCP for a second. The answer that came while this process was held up counts."""
    until = time.monotonic() + patience
    waiting = []
    try:
        for port in (member.restapi_port, member.port):
            one = socket.socket(socket.AF_INET6 if ":" in member.address else socket.AF_INET, socket.SOCK_STREAM)
            one.setblocking(False)
            waiting.append(one)
            if one.connect_ex((member.address, port)) not in (errno.EINPROGRESS, *_NOBODY):
                return True
        open_ones = list(waiting)
        while open_ones:
            answered = select.select([], open_ones, [], max(0.0, until - time.monotonic()))[1]
            if not answered:
                break
            if any(one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) not in _NOBODY for one in answered):
                return True
            open_ones = [one for one in open_ones if one not in answered]
    finally:
        for one in waiting:
            one.close()
    time.sleep(max(0.0, until - time.monotonic()))
    return False


class Listener:
    """Listens to one host at a time, in a thread of its own: etcd may keep the main one waiting. The host is silent
    after `seconds` without any answer to a request and KNOCKS knocks; a process that was itself held up has not
    listened, so knocks are counted and not the time. Between two requests that are answered are `calm` seconds."""

    def __init__(self, seconds: float, tls: bool, calm: float) -> None:
        self.patience = seconds / (KNOCKS + 1)
        self.calm = calm
        self.context = unverified() if tls else None
        self.member: Member | None = None
        self.unanswered: int | None = None  # attempts in a row; None before the first
        self._lock = threading.Lock()  # an outcome is never counted for another host

    def start(self) -> None:
        threading.Thread(target=self._forever, daemon=True).start()

    def to(self, member: Member | None) -> None:
        with self._lock:
            if member != self.member:
                self.member, self.unanswered = member, None

    @property
    def heard(self) -> bool:
        """At the last attempt."""
        return self.unanswered == 0

    @property
    def uneasy(self) -> bool:
        return bool(self.unanswered)

    @property
    def silent(self) -> bool:
        return (self.unanswered or 0) >= KNOCKS

    def _forever(self) -> None:
        while True:
            member = self.member
            if member is None:
                time.sleep(self.calm)
                continue
            heard = self._turn(member)
            with self._lock:
                if member is self.member:
                    self.unanswered = 0 if heard else (self.unanswered or 0) + 1
            if heard:
                time.sleep(self.calm)

    def _turn(self, member: Member) -> bool:
        return (not self.unanswered and request(member, self.context, self.patience)) or knock(member, self.patience)
