# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.component.fake_host import FakeHost, Package


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A bare host whose archive has one package: a server that reads /etc/server/server.conf and a secret."""
    return server_host(tmp_path)


def server_host(root: Path) -> FakeHost:
    host = FakeHost(root)
    host.archive["server"] = Package(("server",), ("check-server",), ("server.service", "server@.service"))
    host.unit_reads = ("/etc/server/server.conf", "/etc/server/users")
    return host
