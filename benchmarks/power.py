# SPDX-License-Identifier: Apache-2.0
"""The power of a lab's hosts: taken, given back, and a fence that takes it when a member asks."""

from __future__ import annotations

import http.server
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.pgtier.cluster.plugins.module_utils.lab import faults, lifecycle, network
from common import Lab

PORT = 8479
FENCE = """
cat > /usr/local/bin/lab-fence <<'END'
#!/usr/bin/python3
import sys, urllib.request
urllib.request.urlopen("http://{gateway}:{port}/" + sys.argv[1])
END
chmod 755 /usr/local/bin/lab-fence
"""
COMMAND = ["/usr/local/bin/lab-fence", "{host}"]


class Power:
    """In this process: a playbook would take seconds, and a part of the two cores while it is measured."""

    def __init__(self, hosts: Lab) -> None:
        if os.geteuid() != 0:
            raise SystemExit("faults of hosts need root; without it choose others with --faults")
        self.hosts = hosts
        self.lab = lifecycle.Lab(network.network(hosts.name, None), hosts.state, Path("/nonexistent"), 0)

    def take(self, host: str) -> None:
        """Without a last word on the network, which a killed host's kernel may still say."""
        with self.lab.locked():
            faults.inject(self.lab, host, "cut_off")
            faults.inject(self.lab, host, "killed")

    def give(self, host: str) -> None:
        with self.lab.locked():
            faults.inject(self.lab, host, "healed")
            faults.inject(self.lab, host, "started")

    @contextmanager
    def fence(self) -> Iterator[None]:
        """Every member can have another's power taken: what a hypervisor or a management board is elsewhere."""
        gateway, power = self.lab.net.gateway, self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                power.take(self.path[1:])
                self.send_response(500 if power.lab.observe_host(self.path[1:]).running else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """The trials say what is worth it."""

        script = FENCE.format(gateway=gateway, port=PORT)
        self.hosts.shells(dict.fromkeys(self.hosts.groups["postgres"], script))
        with http.server.ThreadingHTTPServer((gateway, PORT), Handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield
            finally:
                server.shutdown()
