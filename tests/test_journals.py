"""A failing test's report has the ends of the hosts' journals."""

from __future__ import annotations

import pytest
from journals import merged, told


@pytest.mark.parametrize(
    "chatter",
    [
        "pg1 patroni[9]: 2026-01-01 00:00:00,000 INFO: no action. I am (pg1), the leader with the lock",
        "pg2 patroni[9]: 2026-01-01 00:00:00,000 INFO: Lock owner: pg1; I am pg2",
        "proxy1 pgbouncer[9]: LOG stats: 0 xacts/s, 0 queries/s",
        "pg1 patroni[9]:     self._sslobj.do_handshake()",
        "",
    ],
)
def test_what_nobody_wants_to_read_is_left_out(chatter: str) -> None:
    word = "proxy1 pgbouncer[9]: WARNING server login failed: FATAL the database system is shutting down"
    assert told(f"{chatter}\n{word}\n{chatter}") == [word]


def test_what_hosts_said_is_in_the_order_of_time() -> None:
    pg1 = ["Jan 01 00:00:01.000000 pg1 a", "Jan 01 00:00:03.000000 pg1 c"]
    proxy1 = ["Jan 01 00:00:02.000000 proxy1 b", "Jan 01 00:00:03.000000 proxy1 A"]
    assert [line[-1] for line in merged([pg1, proxy1]).splitlines()] == ["a", "b", "c", "A"]
