"""This computer pulls the plugs of a lab's hosts when they ask for it, or does something else instead."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable
from types import TracebackType

from ansible_collections.pgtier.cluster.plugins.module_utils.lab import faults
from failing import Saboteur
from tier import wait_until

PORT = 8479
# Longer than any fence of a scenario may take.
TOO_LONG_SECONDS = 30.0


class Plugs:
    """Serves what a scenario's fence asks for. `behave` is what is done with a host's name, and whether the fence is
    told that the host is off; `asked` are the names that it was asked for."""

    def __init__(self, saboteur: Saboteur) -> None:
        self.tier, self.lab = saboteur.tier, saboteur.lab
        self.asked: list[str] = []
        self.behave: Callable[[str], bool] = self.pull
        self.over = threading.Event()
        plugs = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                plugs.asked.append(self.path[1:])
                self.send_response(200 if plugs.behave(self.path[1:]) else 500)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Tests say what is worth it."""

        self.server = http.server.ThreadingHTTPServer((self.lab.net.gateway, PORT), Handler)
        self.server.daemon_threads = True

    def __enter__(self) -> Plugs:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Every host is back in its place."""
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.mend()

    def fault(self, host: str, fault: str, others: list[str] | None = None) -> None:
        with self.lab.locked():
            faults.inject(self.lab, host, fault, others)

    def lose_power(self, host: str) -> None:
        """Without a last word on the network, which a killed host's kernel may still say."""
        self.fault(host, "cut_off")
        self.fault(host, "killed")

    # Ways to behave

    def pull(self, host: str) -> bool:
        """What a fence is for. A host that is off already is one that is off."""
        self.lose_power(host)
        return not self.lab.observe_host(host).running

    def refuse(self, host: str) -> bool:
        return False

    def hang(self, host: str) -> bool:
        self.over.wait(TOO_LONG_SECONDS)
        return False

    def lie(self, host: str) -> bool:
        return True

    def mend(self) -> None:
        for host in self.tier.groups["postgres"]:
            self.fault(host, "healed")
            if self.lab.observe_host(host).running:
                self.fault(host, "thawed")
            else:
                self.fault(host, "started")
        wait_until("every member is there and streams", 120, self.tier.whole)
