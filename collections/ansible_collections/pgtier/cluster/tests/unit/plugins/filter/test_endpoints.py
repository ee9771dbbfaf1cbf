# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.pgtier.cluster.plugins.filter.endpoints import FilterModule, endpoint_summary

USER = {"name": "app", "service": False, "databases": ["app"], "attributes": []}
PLAN = {
    "tls": {"enabled": False},
    "databases": {"app": {"name": "app", "owner": "app"}},
    "users": {"app": USER},
    "endpoints": {
        "primary": {"name": "primary", "port": 6432, "pool_mode": None, "hosts": ["10.0.0.4"], "purpose": "all"}
        | {"server_name": ""}
    },
}


def test_the_path_is_the_shortest_that_is_right_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = "  PGPASSFILE={}/secrets/pgpass psql -h 10.0.0.4 -p 6432 -U app app"
    near, far = str(tmp_path / "inventories" / "lab"), "/etc/x"
    assert endpoint_summary(PLAN, near).splitlines()[1] == line.format("inventories/lab")
    assert endpoint_summary(PLAN, far).splitlines()[1] == line.format(far)


def test_what_is_no_plan() -> None:
    with pytest.raises(AnsibleFilterError, match="needs a plan"):
        FilterModule().filters()["endpoint_summary"]({}, "x")
