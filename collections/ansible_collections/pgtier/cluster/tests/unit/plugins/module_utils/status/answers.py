# SPDX-License-Identifier: Apache-2.0
"""What a cluster that is well answers, in the words of Patroni 4.0, etcd 3.5, PgBouncer 1.24 and HAProxy 3.0."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.plan.schema import Plan

NOW = 1_800_000_000.0
WRITTEN = 50_331_648


def primary() -> dict[str, Any]:
    return {
        "state": "running",
        "role": "primary",
        "server_version": 170006,
        "xlog": {"location": WRITTEN},
        "timeline": 3,
        "dcs_last_seen": int(NOW) - 1,
        "patroni": {"version": "4.0.7", "scope": "main"},
    }


def replica(behind: int = 0, replayed: str = "2027-01-15 08:00:00.000+00:00") -> dict[str, Any]:
    return {
        "state": "running",
        "role": "replica",
        "server_version": 170006,
        "xlog": {
            "received_location": WRITTEN,
            "replayed_location": WRITTEN - behind,
            "replayed_timestamp": replayed,
            "paused": False,
        },
        "timeline": 3,
        "quorum_standby": True,
        "replication_state": "streaming",
        "dcs_last_seen": int(NOW) - 1,
        "patroni": {"version": "4.0.7", "scope": "main"},
    }


def listed() -> list[dict[str, Any]]:
    return [
        {"name": "pg1", "role": "leader", "state": "running", "timeline": 3},
        {"name": "pg2", "role": "quorum_standby", "state": "streaming", "timeline": 3, "lag": 0},
        {"name": "pg3", "role": "quorum_standby", "state": "streaming", "timeline": 3, "lag": 0},
    ]


def said(body: dict[str, Any]) -> dict[str, Any]:
    return {"moment": NOW, "body": body}


def cluster() -> dict[str, Any]:
    etcd = {
        name: {
            "status": said({"header": {"member_id": number}, "leader": "2", "version": "3.5.16", "dbSize": "1048576"}),
            "health": said({"health": "true"}),
        }
        for name, number in (("pg1", "1"), ("pg2", "2"), ("pg3", "3"))
    }
    return {
        "host": "pg1",
        "patroni": {
            "cluster": said({"scope": "main", "members": listed()}),
            "members": {"pg1": said(primary()), "pg2": said(replica()), "pg3": said(replica())},
        },
        "etcd": {"members": etcd, "listed": said({"members": [{"name": name} for name in etcd]})},
    }


def proxy(plan: Plan) -> dict[str, Any]:
    pool = {
        "database": "app",
        "user": "app",
        "cl_active": 3,
        "cl_waiting": 0,
        "sv_active": 2,
        "sv_idle": 4,
        "sv_used": 0,
        "maxwait": 0,
        "maxwait_us": 0,
    }
    own = {**pool, "database": "pgbouncer", "user": "pgbouncer", "cl_active": 1, "sv_active": 0, "sv_idle": 0}
    databases = [
        {"name": "app", "pool_size": 20, "paused": 0, "disabled": 0},
        {"name": "pgbouncer", "pool_size": 2, "paused": 0, "disabled": 0},
    ]
    one = {"state": {"active": "yes", "paused": "no", "suspended": "no"}, "databases": databases, "pools": [pool, own]}
    address = {name: member["address"] for name, member in plan["members"].items()}
    replicas = {"addresses": [address["pg3"], address["pg2"]]}
    return {
        "pgbouncer": {instance["name"]: copy.deepcopy(one) for instance in plan["pgbouncer"]["instances"]},
        "haproxy": {
            "backends": {
                "primary": {"pg1": "UP", "pg2": "DOWN", "pg3": "DOWN"},
                "replica": {"pg1": "DOWN", "pg2": "UP", "pg3": "UP 1/2"},
            }
        },
        "route": {
            "primary.pgtier": {"addresses": [address["pg1"]]},
            "replica.pgtier": replicas,
            "session.replica.pgtier": replicas,
        },
    }


def certificates() -> dict[str, Any]:
    return {
        "stage": "none",
        "problems": [],
        "expiry": [{"what": "CA", "days_left": 3649}, {"what": "host pg1", "days_left": 364}],
    }
