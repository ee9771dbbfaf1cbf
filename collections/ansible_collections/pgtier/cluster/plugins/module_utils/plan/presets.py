"""Times that belong together. Patroni wants ttl >= 20 and loop_wait + 2 x retry_timeout <= ttl.

Without a margin above that sum the leader key can run out while failsafe mode is still asking (patroni PR #3678).

Patroni gives each of three etcd members a third of retry_timeout for an answer (Patroni 4.0, dcs/etcd.py,
_calculate_timeouts). While etcd elects a leader, a request to renew a lease is answered after an election timeout, 10
heartbeats (etcd 3.5, EtcdServer.waitLeader). If that were no less, a primary whose replica's host is lost, and etcd's
leader with it, would wait in vain for one member after the other, and step down.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RecoveryTime:
    """Seconds, but for etcd's heartbeat. After `silence` a primary's host counts as silent where a fence can make sure
    of it; where none can there is no hurry (patroni.UNFENCED_SILENCE)."""

    ttl: int
    loop_wait: int
    retry_timeout: int
    primary_start_timeout: int
    etcd_heartbeat_ms: int
    silence: float

    @property
    def margin(self) -> int:
        return self.ttl - self.loop_wait - 2 * self.retry_timeout


RECOVERY_TIME = {
    # The shortest that Patroni takes. A crashed PostgreSQL is not restarted first: another member takes over at once.
    "fast": RecoveryTime(
        ttl=20, loop_wait=1, retry_timeout=4, primary_start_timeout=0, etcd_heartbeat_ms=100, silence=1.2
    ),
    "default": RecoveryTime(
        ttl=30, loop_wait=5, retry_timeout=10, primary_start_timeout=60, etcd_heartbeat_ms=100, silence=5
    ),
    "tolerant": RecoveryTime(
        ttl=60, loop_wait=10, retry_timeout=15, primary_start_timeout=300, etcd_heartbeat_ms=250, silence=30
    ),
}
