# SPDX-License-Identifier: Apache-2.0
"""Tell PgBouncer where to connect, at the moment it opens a connection - and not before there is anybody fit.

PgBouncer connects straight to PostgreSQL: no proxy is in the path of a statement. It knows the primary and the replicas
by names, and asks this small DNS server on loopback whenever it opens a server connection (dns_max_ttl=0). Why names:

- While PgBouncer's last login has failed and it has no other connection, it fails each new statement at once ("server
  login has been failing, cached error"). A name that is still being looked up is no failed login: clients wait. So the
  answer is held back until HAProxy, the only health checker, sees one primary and that one would let a client in.
- Nothing has to be rewritten or reloaded when the primary moves, and PgBouncer by itself lets go of connections to an
  address that a later answer does not hold.
- An answer about replicas begins with the one that has the fewest of the endpoint's connections, so reads are even.

HAProxy cuts the sessions of a server that it marks down. Here nobody is in between, so `sweep` does it at PgBouncer's
console: a client of a frozen or unreachable server gets its error now and not after TCP's patience - at the latest when
HAProxy has missed a few answers, and at once when another member says itself that it leads by now. A login that hangs
there is ended once there is another server to go to, for the pool's next login waits for it. A replica that
leaves in order - drained, or too far behind (freshness.py) - keeps the statements that are under way. A primary whose
Patroni alone has died keeps its clients for as long as Patroni may take to be back (decide.GRACE): Patroni's port
refuses connections, PostgreSQL's lets clients in, nobody else is the primary. New connections wait meanwhile.

The race that remains: a primary that dies between the answer and the login (a few milliseconds) costs cached errors
until the next try. A wrong answer costs no data: connect_query ends a session on a standby. If this process is away,
open connections go on and new ones wait for systemd to bring it back.
"""

from __future__ import annotations

import json
import math
import select
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

import ask
import decide
import dns
import relay
from decide import Server
from freshness import Gate

TICK = 0.05  # how often HAProxy is asked while somebody waits for what it says, seconds
SWEEP = 0.25  # how often HAProxy is asked, and PgBouncer's connections are compared with what it says
ATTENTION = 10.0  # how long they are compared after HAProxy has changed its mind: answers and logins may be under way
PATIENCE = 60.0  # a query older than this has been given up by whoever asked
# What a reload may change. Anything else is taken up by a new process, which systemd starts at once.
RELOADED = ("members",)


class Route:
    """What is known, and what follows from it. One method a thing that happens."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.tls = ask.trusting(config["ca_file"])
        self.gate = Gate(config["reads"]["max_lag_seconds"])
        self.read_names: dict[str, list[str]] = {one["name"]: one["consoles"] for one in config["reads"]["endpoints"]}
        self.held: dict[tuple[bytes, tuple[str, int]], float] = {}
        self.primaries: list[Server] | None = None
        self.unsure = threading.Event()
        self.primary: Server | None = None
        self.orphaned: float | None = None
        self.replicas: decide.Seen | None = None
        self.fit: list[Server] | None = None
        self.uneven: set[str] = set()
        self.attentive_until = self.next_sweep = 0.0

    def reload(self, config: dict[str, Any]) -> bool:
        """Take up a new configuration and keep all that is known; False if that cannot be done."""
        if any(config.get(key) != value for key, value in self.config.items() if key not in RELOADED):
            return False
        self.config = config
        say(f"the members are {', '.join(member['address'] for member in config['members'])}")
        return True

    def waiting(self) -> bool:
        """Whether somebody waits: with a question, or on a former primary."""
        return bool(self.held) or self.unsure.is_set()

    def members(self) -> list[Server]:
        return [Server(member["address"], member["port"]) for member in self.config["members"]]

    def look(self, now: float) -> None:
        """Ask HAProxy, and note what has changed."""
        haproxy, reads = self.config["haproxy"], self.config["reads"]
        seen = ask.haproxy(haproxy, self.config["primary"]["backend"])
        if (seen.serving if seen else None) != self.primaries:
            self.primaries, self.attentive_until = seen.serving if seen else None, now + ATTENTION
            if self.primaries and len(self.primaries) > 1:
                self.unsure.set()
            else:
                self.unsure.clear()
        primary = decide.choose(self.primaries, self.primary, self.gate.leader(now))
        if primary is not None and primary != self.primary:
            self.primary = primary
            self.next_sweep = now
            say(f"the primary is {primary.address}:{primary.port}")
        self.orphaned = decide.orphaned(seen, self.primary, self.orphaned, now)
        if not self.read_names:
            return
        self.replicas = ask.haproxy(haproxy, reads["backend"]) or self.replicas
        fit = decide.fit(self.replicas, self.gate.stale(now), primary if reads["fallback"] else None)
        if fit != self.fit:
            if self.fit is not None:
                self.uneven = {console for consoles in self.read_names.values() for console in consoles}
                self.attentive_until = now + ATTENTION
            self.fit = fit
            say(f"reads go to {', '.join(server.address for server in fit) or 'nobody'}")

    def answer(self, resolver: socket.socket, now: float) -> None:
        """Answer what can be answered; a question that cannot is kept."""
        ready: bool | None = None
        for (query, sender), since in list(self.held.items()):
            name = dns.question(query)[0]
            addresses: list[str] = []
            if name in self.read_names:
                consoles = self.read_names[name]
                addresses = decide.in_turn(self.fit or [], ask.connections(consoles))
                if addresses and ask.cancelling(consoles):
                    addresses.insert(0, self.config["relay"])
            elif self.primary is not None:
                if ready is None:
                    ready = self._lets_in(self.primary)
                addresses = [self.primary.address] if ready and self._is_primary(now) else []
            if addresses:
                resolver.sendto(dns.reply(query, addresses), sender)
            if addresses or now - since > PATIENCE:
                del self.held[query, sender]

    def _is_primary(self, now: float) -> bool:
        return decide.choose(self.primaries, self.primary, self.gate.leader(now)) is not None

    def _lets_in(self, server: Server) -> bool:
        return ask.accepts(server, self.config["user"], self.tls, self.config["primary"]["name"])

    def _spared(self, now: float) -> list[Server]:
        """The primary, while only its Patroni is gone."""
        if self.primary is None or not decide.keeps_its_clients(self.primaries, self.orphaned, now):
            return []
        if not self._lets_in(self.primary):
            # What does not let clients in at once hangs or is gone, and is not waited for again.
            self.orphaned = -math.inf
            return []
        # When the time is over its clients are to be ended, so there is to be a look then.
        self.attentive_until = now + ATTENTION
        return [self.primary]

    def sweep(self, now: float) -> None:
        """End what hangs on servers that are gone."""
        spared = self._spared(now)
        leading = self.primaries and decide.heard(self.primaries, self.gate.leader(now))
        for console in self.config["primary"]["consoles"]:
            ask.sweep(console, spared or leading)
        if self.replicas is None:
            return
        alive = [*self.replicas.up, *(self.fit or []), *spared, decide.LOOKUP, Server(self.config["relay"], 0)]
        for endpoint in self.config["reads"]["endpoints"]:
            # A replica that was promoted, or is not fit for another reason that it says itself, finishes the statements
            # that read from it; a session would stay. Only silence means that whoever waits for it waits in vain.
            finishing = self.replicas.refusing if endpoint["pool_mode"] == "transaction" else []
            for console in endpoint["consoles"]:
                ask.sweep(console, [*alive, *finishing])

    def turn(self, resolver: socket.socket, readable: bool) -> None:
        now = time.monotonic()
        for query, sender in dns.received(resolver) if readable else ():
            name = dns.question(query)[0]
            if name == self.config["primary"]["name"] or name in self.read_names:
                self.held[query, sender] = now
            else:
                resolver.sendto(dns.reply(query, [], dns.NO_SUCH_NAME), sender)
        self.look(now)
        self.answer(resolver, now)
        if now >= self.next_sweep:
            self.next_sweep = now + SWEEP
            if now < self.attentive_until:
                self.sweep(now)
            self.uneven = {console for console in self.uneven if not ask.spread(console)}
            ask.notify("WATCHDOG=1")


def say(what: str) -> None:
    print(what, flush=True)
    ask.notify(f"STATUS={what}")


def main(path: str) -> None:
    def read() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(Path(path).read_text())
        # The certificates trusted are a part of it: a new authority's members would be taken for impostors.
        return found | {"trusted": Path(found["ca_file"]).read_text() if found["ca_file"] else ""}

    asked_to_reload = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: asked_to_reload.set())
    config = read()
    route = Route(config)
    resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    resolver.bind(("127.0.0.1", config["port"]))
    if config["reads"]["endpoints"]:
        listener = relay.listen(config["relay"], route.members()[0].port)
        name = config["primary"]["name"]
        threading.Thread(
            target=relay.serve, args=(listener, route.members, lambda: route.fit or [], route.tls, name), daemon=True
        ).start()
    ask.watch(lambda: route.config["members"], route.gate, route.tls, route.unsure)
    ask.notify("READY=1")
    while True:
        readable = select.select([resolver], [], [], TICK if route.waiting() else SWEEP)[0]
        if asked_to_reload.is_set():
            asked_to_reload.clear()
            if not route.reload(read()):
                return
        route.turn(resolver, bool(readable))


if __name__ == "__main__":
    main(sys.argv[1])
