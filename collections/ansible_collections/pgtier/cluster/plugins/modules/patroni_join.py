#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""A look at a member that joins a cluster, until it has arrived."""

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_join
short_description: Wait until a new member of a Patroni cluster has caught up, and show how far it is
version_added: 0.1.0
description:
  - Runs on the new member, whose Patroni copies the primary by itself. It changes nothing.
  - The action plugin of the same name shows bytes, percent and rate while the copy runs, every few seconds.
  - There is no limit to how long a copy may take. It fails when for O(patience) seconds there was no progress at all.
options:
  name:
    description: Name of the member.
    type: str
    required: true
  address:
    description: Address that the member comes from, as its primary sees it.
    type: str
    required: true
  max_lag_bytes:
    description: How far behind the primary it may be to be called caught up.
    type: int
    default: 1048576
  slice:
    description: Seconds between two lines about the progress.
    type: float
    default: 4.0
  patience:
    description: Seconds without progress after which it fails.
    type: float
    default: 120.0
  monitor_user:
    description: Login that may read the primary's statistics. Without it, the progress of the copy is not known.
    type: str
  monitor_password:
    description: Password of O(monitor_user).
    type: str
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.patroni
attributes:
  check_mode:
    details: It looks once, and does not wait.
  diff_mode:
    support: none
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Wait until the new member has caught up
  pgtier.cluster.patroni_join:
    urls: "{{ pgtier_plan.patroni.urls }}"
    cafile: "{{ pgtier_plan.patroni.cafile or omit }}"
    name: pg4
    address: 10.0.0.14
"""

RETURN = r"""
reason:
  description: Why it has not arrived; empty if it has.
  returned: success
  type: str
state:
  description: The member's state as Patroni has it.
  returned: success
  type: str
phase:
  description: What the primary says about the copy; empty while there is none.
  returned: success
  type: str
copied_bytes:
  description: Bytes copied so far, null while there is no copy.
  returned: success
  type: int
total_bytes:
  description: Bytes to be copied, as the primary estimates.
  returned: success
  type: int
lag_bytes:
  description: How far behind the primary the member is.
  returned: success
  type: int
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.arguments import ARGUMENTS, client_of
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import NoAnswer, PatroniError
from ansible_collections.pgtier.cluster.plugins.module_utils.scale.join import Seen, not_arrived

try:
    import psycopg2
except ImportError:  # comes with the member's packages, which in check mode may not be there yet
    psycopg2 = None

PROGRESS = """
SELECT p.phase, p.backup_streamed, p.backup_total
FROM pg_stat_progress_basebackup p JOIN pg_stat_activity a USING (pid)
WHERE a.client_addr = %s ORDER BY a.backend_start DESC LIMIT 1
"""
POLL_SECONDS = 0.3
# A look at the copy costs a login: the end of it is what is looked for more often.
LOOK_SECONDS = 2.0


def look(client: Any, wanted: dict[str, Any]) -> tuple[Seen, view.Cluster | None]:
    try:
        cluster = view.parse(client.cluster())
    except NoAnswer as error:
        return _seen(str(error), "", None), None
    mine = next((member for member in cluster["members"] if member["name"] == wanted["name"]), None)
    reason = not_arrived(cluster, wanted["name"], wanted["max_lag_bytes"])
    return _seen(reason, mine["state"] if mine else "", mine["lag_bytes"] if mine else None), cluster


def _seen(reason: str, state: str, lag: int | None) -> Seen:
    return Seen(reason=reason, state=state, phase="", copied_bytes=None, total_bytes=None, lag_bytes=lag)


def progress(cluster: view.Cluster | None, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the primary says about the copy. That it cannot be asked is no failure: the copy may go on."""
    leader = next((m for m in cluster["members"] if m["name"] == cluster["leader"]), None) if cluster else None
    if psycopg2 is None or leader is None or not wanted["monitor_user"]:
        return {}
    verified = {"sslmode": "verify-full", "sslrootcert": wanted["cafile"]} if wanted["cafile"] else {}
    try:
        connection = psycopg2.connect(
            host=leader["host"],
            port=leader["port"],
            dbname="postgres",
            user=wanted["monitor_user"],
            password=wanted["monitor_password"],
            connect_timeout=3,
            **verified,
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(PROGRESS, (wanted["address"],))
                row = cursor.fetchone()
        finally:
            connection.close()
    except psycopg2.Error:
        return {}
    return {"phase": row[0], "copied_bytes": row[1], "total_bytes": row[2]} if row else {}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ARGUMENTS,
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "max_lag_bytes": {"type": "int", "default": 1048576},
            "slice": {"type": "float", "default": 4.0},
            "patience": {"type": "float", "default": 120.0},
            "monitor_user": {"type": "str"},
            "monitor_password": {"type": "str", "no_log": True},
        },
        supports_check_mode=True,
    )
    wanted: dict[str, Any] = module.params
    end = time.monotonic() + (0 if module.check_mode else wanted["slice"])
    next_look, copy = 0.0, {}
    try:
        client = client_of(wanted)
        while True:
            seen, cluster = look(client, wanted)
            if seen["reason"] and time.monotonic() >= next_look:
                copy, next_look = progress(cluster, wanted), time.monotonic() + LOOK_SECONDS
            if not seen["reason"] or time.monotonic() >= end:
                break
            time.sleep(POLL_SECONDS)
    except (PatroniError, ValueError) as error:
        if not module.check_mode:
            module.fail_json(msg=str(error))
        # Before anything is installed there is not even the file to verify Patroni with.
        seen = _seen(str(error), "", None)
    module.exit_json(changed=False, **{**seen, **(copy if seen["reason"] else {})})


if __name__ == "__main__":
    main()
