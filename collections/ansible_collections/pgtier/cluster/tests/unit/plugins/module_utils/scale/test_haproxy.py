# SPDX-License-Identifier: Apache-2.0
"""What HAProxy says at its socket."""

from __future__ import annotations

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.haproxy import Server, parse_servers, parse_sessions

HEADER = "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight"


@pytest.mark.parametrize(("admin", "serving"), [(0, True), (8, False), (1, False), (16, False), (64, True)])
def test_a_server_that_is_drained_or_in_maintenance_does_not_serve(admin: int, serving: bool) -> None:
    state = f"1\n{HEADER}\n3 replica 1 pg4 10.0.0.14 2 {admin} 1\n\n"
    assert parse_servers(state) == [Server("replica", "pg4", serving)]


def test_anything_else_is_no_table() -> None:
    with pytest.raises(ValueError, match="Unknown command"):
        parse_servers("Unknown command\n")


def test_sessions() -> None:
    stat = "# pxname,svname,qcur,qmax,scur,smax\nreplica,pg4,0,0,3,9\nreplica,BACKEND,0,0,4,9\nstats,FRONTEND,,,0,1\n"
    assert parse_sessions(stat)[("replica", "pg4")] == 3
    assert parse_sessions("") == {}
