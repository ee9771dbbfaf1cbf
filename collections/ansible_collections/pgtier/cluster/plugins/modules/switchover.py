#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Hand the cluster over to another member, with the application's statements held back meanwhile."""

from __future__ import annotations

DOCUMENTATION = r"""
module: switchover
short_description: Switch over to another member without a failed transaction
version_added: 0.1.0
description:
  - Pauses the transaction pools that lead to the primary, on all proxies, has Patroni switch over, and resumes them, in
    one execution. Clients of these pools wait for that time and notice nothing else.
  - Refuses beforehand what would fail or would hold clients for long, with every reason at once.
  - Sessions that reach the primary another way, by session pools or direct ports, end with the old primary.
    PgBouncer could hold them only by waiting until their clients leave. RV(notes) says how many there are.
  - The pools are resumed on every way out. If this module is killed, a process that waits for that resumes them.
    If its whole host is lost, a timer on the proxies does, which M(pgtier.cluster.pgbouncer_admin) with
    O(pgtier.cluster.pgbouncer_admin#module:action=guard) has set there before.
  - Runs on any one host that reaches all members and proxies. C(psql) has to be installed there.
options:
  action:
    description:
      - V(prepare) looks whether the switchover can be made, refuses as V(switch) would, and has the leader write a
        checkpoint, so that it shuts down quickly when its clients wait.
      - V(switch) does it.
    type: str
    choices: [prepare, switch]
    default: switch
  candidate:
    description:
      - Member that is to lead.
      - Without one Patroni takes any, if all that it could take are fit, or else the fit one that is the least behind
        is named to it. Naming one costs commits two seconds more, for Patroni has all others sleep that long.
    type: str
  consoles:
    description: PgBouncer's consoles of the pools to pause, as C(pgbouncer.consoles) of the plan has them.
    type: list
    elements: dict
    default: []
    suboptions:
      proxy:
        description: Name of the proxy host.
        type: str
        required: true
      address:
        description: Its address.
        type: str
        required: true
      port:
        description: Port of the endpoint.
        type: int
        required: true
      instances:
        description: Names of the PgBouncer processes that share the port.
        type: list
        elements: str
        required: true
  admin_user:
    description: Administrator at PgBouncer's consoles.
    type: str
    default: pgtier_admin
  admin_password:
    description: Password of O(admin_user).
    type: str
    required: true
  monitor_user:
    description: Login at PostgreSQL that sees all sessions and may have a checkpoint written.
    type: str
    default: pgtier_monitor
  monitor_password:
    description: Password of O(monitor_user).
    type: str
    required: true
  pause_timeout:
    description:
      - Seconds in which the transactions under way have to end.
      - If they do not, all pools are resumed and nothing is done.
    type: float
    default: 5.0
  limit:
    description:
      - Seconds for which clients are held at most. When they are over the pools are resumed, whatever Patroni is about.
    type: float
    default: 30.0
  max_transaction_seconds:
    description: Refuse while a transaction of a pool is older than this.
    type: float
    default: 5.0
  max_lag_bytes:
    description: Refuse a candidate that is further behind.
    type: int
    default: 16777216
  wait:
    description:
      - Seconds to wait afterwards until every member streams from the new leader. It is no failure if one does not.
    type: float
    default: 60.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
  - pgtier.cluster.patroni.credentials
attributes:
  idempotent:
    support: partial
    details: With O(candidate) it is. Without, each run hands over to another member.
seealso:
  - module: pgtier.cluster.pgbouncer_admin
  - module: pgtier.cluster.patroni_info
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Hand over to pg2
  pgtier.cluster.switchover:
    urls: "{{ pgtier_plan.patroni.urls }}"
    cafile: "{{ pgtier_plan.patroni.cafile }}"
    user: patroni
    password: "{{ pgtier_secrets.services.patroni_restapi }}"
    consoles: "{{ pgtier_plan.pgbouncer.consoles }}"
    admin_password: "{{ pgtier_secrets.services.pgtier_admin }}"
    monitor_password: "{{ pgtier_secrets.users.pgtier_monitor }}"
    candidate: pg2
  run_once: true
"""

RETURN = r"""
needed:
  description: Whether somebody else than the candidate led.
  returned: success
  type: bool
leader:
  description: Who leads now; in check mode and with O(action=prepare) who would.
  returned: success
  type: str
previous_leader:
  description: Who led before.
  returned: success
  type: str
held_seconds:
  description: How long clients were held back, all in all.
  returned: when a switchover was made
  type: float
pause_seconds:
  description: How long of it the pools took to come to rest.
  returned: when a switchover was made
  type: float
switch_seconds:
  description: How long of it Patroni took.
  returned: when a switchover was made
  type: float
notes:
  description: What a reader should know beside that.
  returned: success
  type: list
  elements: str
summary:
  description: What was done, or would be, in a line, and then RV(notes).
  returned: success
  type: list
  elements: str
"""

import json
import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import choice, handover
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, CREDENTIALS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.cluster import Cluster, Member, parse
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer import remote
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError
from ansible_collections.pgtier.cluster.plugins.module_utils.psql_session import Login, Session

# The timer on the proxies runs since before this module was started: what takes longer than this is begun anew.
PREPARED_WITHIN_SECONDS = 20
CHECKPOINT_SECONDS = 600
ACTIVITY = """
SELECT coalesce(json_agg(s), '[]') AS sessions FROM (
  SELECT pid, usename AS user, datname AS database, host(client_addr) AS address, application_name AS application,
         extract(epoch FROM clock_timestamp() - xact_start) AS age_seconds
  FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND client_addr IS NOT NULL
) s
""".strip()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            **CREDENTIALS,
            "action": {"type": "str", "choices": ["prepare", "switch"], "default": "switch"},
            "candidate": {"type": "str"},
            "consoles": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "proxy": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "port": {"type": "int", "required": True},
                    "instances": {"type": "list", "elements": "str", "required": True},
                },
            },
            "admin_user": {"type": "str", "default": "pgtier_admin"},
            "admin_password": {"type": "str", "required": True, "no_log": True},
            "monitor_user": {"type": "str", "default": "pgtier_monitor"},
            "monitor_password": {"type": "str", "required": True, "no_log": True},
            "pause_timeout": {"type": "float", "default": 5.0},
            "limit": {"type": "float", "default": 30.0},
            "max_transaction_seconds": {"type": "float", "default": 5.0},
            "max_lag_bytes": {"type": "int", "default": 16777216},
            "wait": {"type": "float", "default": 60.0},
        },
        required_together=[("user", "password")],
        supports_check_mode=True,
    )
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _leave)  # so that a pause under way is undone on the way out
    try:
        result = run(module.params, module.check_mode)
        result["summary"] = [_summary(result), *result["notes"]]
    except choice.Refused as error:
        listed = "".join(f"\n- {reason}" for reason in error.reasons)
        module.fail_json(msg=f"The switchover is refused, and nothing was done:{listed}", reasons=error.reasons)
    except remote.NotPaused as error:
        module.fail_json(
            msg=f"The pools did not come to rest within {module.params['pause_timeout']:g} s, so nothing was switched "
            f"over and they are resumed: {error}"
        )
    except remote.StillPaused as error:
        module.fail_json(msg=f"Resume these pools by hand, if the timer on their proxy has not done it yet: {error}")
    except (handover.Failed, PatroniError, PsqlError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)


def run(given: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    begin = time.monotonic()
    limits = choice.Limits(given["max_lag_bytes"], given["max_transaction_seconds"])
    client = client_of(given)
    cluster, config = parse(client.cluster()), client.config()
    plan = choice.choose(cluster, config, given["candidate"] or None, limits)
    result: dict[str, Any] = {
        "changed": plan.needed and given["action"] == "switch",
        "needed": plan.needed,
        "notes": [],
        **_leadership(plan.leader, " or ".join(plan.successors)),
    }
    if not plan.needed:
        return result
    leader = next(member for member in cluster["members"] if member["name"] == plan.leader)
    login = Login(given["admin_user"], given["admin_password"], given["cafile"] or "")
    server = _server(leader, given)
    consoles: list[remote.Console] = []
    try:
        consoles = remote.open_consoles(remote.targets_of(given["consoles"]), remote.connect_with(login))
        result["notes"] = _look(consoles, server, limits, given["monitor_user"])
        if check_mode:
            return result
        if given["action"] == "prepare":
            return {**result, "notes": result["notes"] + _checkpoint(server)}
        if (passed := time.monotonic() - begin) > PREPARED_WITHIN_SECONDS:
            raise choice.Refused([f"looking at the cluster took {passed:.0f} s, so it is not well; run again"])
        try:
            successor, took = handover.hand_over(
                client, cluster["members"], plan, lambda: remote.held(consoles, given["pause_timeout"]), given["limit"]
            )
        except remote.NotPaused as error:
            raise remote.NotPaused(f"{error}; in use: {_holders(consoles, server)}") from None
    finally:
        for console in consoles:
            console.close()
        server.close()
    reasons = handover.await_whole(client, successor, _streaming(cluster, successor), config, given["wait"])
    waits = [f"not well after {given['wait']:g} s: {'; '.join(reasons)}"] if reasons else []
    return {**result, **took, **_leadership(plan.leader, successor), "notes": result["notes"] + waits}


def _leadership(before: str, after: str) -> dict[str, Any]:
    return {
        "leader": after,
        "previous_leader": before,
        "diff": {"before": f"leader: {before}\n", "after": f"leader: {after}\n"},
    }


def _summary(result: Mapping[str, Any]) -> str:
    if not result["needed"]:
        return f"{result['leader']} leads already"
    if "held_seconds" not in result:
        return f"{result['previous_leader']} can hand over to {result['leader']}"
    return (
        f"{result['previous_leader']} handed over to {result['leader']}; clients were held for "
        f"{result['held_seconds']:.1f} s, {result['pause_seconds']:.1f} s of it until the pools were at rest and "
        f"{result['switch_seconds']:.1f} s for Patroni"
    )


def _look(consoles: Sequence[remote.Console], server: Session, limits: choice.Limits, monitor: str) -> list[str]:
    """Refuse what would hold the pools; say which sessions will end."""
    states = {console.name: console.state() for console in consoles}
    paused = [
        name
        for name, state in states.items()
        if state.paused or state.suspended or any(database.paused for database in state.databases.values())
    ]
    inside, outside = _transactions(consoles, server)
    if reasons := choice.against_pause(paused, inside, limits):
        raise choice.Refused(reasons)
    ending = Counter(f"{row['user']} in {row['database']}" for row in outside if row["user"] != monitor)
    if not ending:
        return []
    counted = ", ".join(f"{number} of {who}" for who, number in sorted(ending.items()))
    return [f"connections to the primary that no transaction pool holds end with it (session pools, direct): {counted}"]


def _transactions(
    consoles: Sequence[remote.Console], server: Session
) -> tuple[list[choice.Transaction], list[Mapping[str, Any]]]:
    # First the pools: a connection that is idle by then has no transaction that would be missed.
    busy = [row for console in consoles for row in console.servers()]
    (row,) = server.query(ACTIVITY, timeout=10)
    return choice.transactions(busy, json.loads(row["sessions"]))


def _holders(consoles: Sequence[remote.Console], server: Session) -> str:
    try:
        inside = _transactions(consoles, server)[0]
    except PsqlError as error:
        return str(error)
    return "; ".join(map(str, sorted(inside, key=lambda one: -one.age_seconds)[:5])) or "nothing any more"


def _checkpoint(server: Session) -> list[str]:
    try:
        server.query("CHECKPOINT", timeout=CHECKPOINT_SECONDS)
    except PsqlError as error:
        return [f"no checkpoint was written before, so the leader may take longer to shut down: {error}"]
    return []


def _server(leader: Member, given: Mapping[str, Any]) -> Session:
    login = Login(given["monitor_user"], given["monitor_password"], given["cafile"] or "")
    host, port = leader["host"] or "", leader["port"] or 5432
    return Session(f"PostgreSQL on {leader['name']}, {host}:{port}", host, port, "postgres", login)


def _streaming(cluster: Cluster, candidate: str) -> list[str]:
    """Those that are expected to stream afterwards: who did before, and who led."""
    return [
        member["name"]
        for member in cluster["members"]
        if member["name"] != candidate and member["state"] in ("streaming", "running")
    ]


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
