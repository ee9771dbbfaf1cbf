#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Tell the PgBouncer instances of a host what to do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbouncer_admin
short_description: Pause, resume, reload and reconnect PgBouncer instances
version_added: 0.1.0
description:
  - Sends commands to the console of PgBouncer instances over their Unix socket, to all chosen ones at once.
    C(psql) has to be installed.
  - Looks at each instance first and sends what is missing only, so pausing what is paused is no change.
options:
  action:
    description:
      - V(pause) holds new statements back and returns when all server connections are closed.
        In a session pool that takes until the clients have left.
      - V(resume) ends pauses. Without O(databases) it ends every pause, of the instance and of each database.
      - V(reload) reads the configuration again.
      - V(reconnect) closes each server connection as soon as it is free, as is due after DDL or a failover.
      - V(kill) drops all connections of O(databases) at once and leaves these paused.
      - V(disable) refuses new clients of O(databases), V(enable) lets them in again.
      - V(wait_close) returns when all server connections from before a V(reconnect) are closed.
      - V(guard) only sets the timer of O(resume_within), for a pause that somebody else is about to make from another
        host. V(resume) takes it away.
    type: str
    choices: [pause, resume, reload, reconnect, kill, enable, disable, wait_close, guard]
    required: true
  databases:
    description:
      - Databases, by the names that clients use. Without any, the whole instance.
      - V(kill), V(enable) and V(disable) need some, V(reload) takes none.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - Seconds in which all instances must have done it.
      - A pause that is not complete by then is resumed, as is every other pause of the same run, and the module fails.
        So clients wait this long at most for nothing.
    type: float
    default: 10.0
  resume_within:
    description:
      - With O(action=pause) and O(action=guard), seconds after which a timer of systemd on this host resumes,
        unless V(resume) was run before. It is set before the pause,
        and works when the controller has died or has lost the host.
      - Give it whenever something is done during the pause. V(0) sets no timer.
    type: float
    default: 0.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
  - pgtier.cluster.pgbouncer
attributes:
  diff_mode:
    details: Shows which instances and databases are paused or disabled.
  idempotent:
    support: partial
    details:
      - V(pause), V(resume), V(enable) and V(disable) are. V(wait_close) never changes anything.
        V(reload), V(reconnect) and V(kill) act each time. V(guard) never counts as a change, as pools do not change.
seealso:
  - module: pgtier.cluster.pgbouncer_info
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: Hold the application's statements back, for half a minute whatever happens
  pgtier.cluster.pgbouncer_admin:
    action: pause
    instances: [primary]
    timeout: 5
    resume_within: 30
  become: true

- name: Let them go on
  pgtier.cluster.pgbouncer_admin:
    action: resume
    instances: [primary]
  become: true

- name: Renew the server connections of one database after a migration
  pgtier.cluster.pgbouncer_admin:
    action: reconnect
    databases: [app]
  become: true
"""

RETURN = r"""
instances:
  description: The chosen instances, each with the commands that were sent, or would be. None if nothing was to be done.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "primary", "port": 6432, "commands": ["PAUSE"]}]
"""

import signal
from dataclasses import asdict
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer import apply, deadman
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.commands import ACTIONS, changes, state_after
from ansible_collections.pgtier.cluster.plugins.module_utils.pgbouncer.console import choose, discover
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import PsqlError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "action": {"type": "str", "choices": [*ACTIONS, "guard"], "required": True},
            "instances": {"type": "list", "elements": "str", "default": []},
            "databases": {"type": "list", "elements": "str", "default": []},
            "socket_directory": {"type": "path", "default": "/run/pgbouncer"},
            "os_user": {"type": "str", "default": "postgres"},
            "timeout": {"type": "float", "default": 10.0},
            "resume_within": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    given: dict[str, Any] = module.params
    if given["resume_within"] and given["action"] not in ("pause", "guard"):
        module.fail_json(msg=f"resume_within goes with `action: pause` and `guard` only, not with {given['action']}")
    if given["action"] == "guard" and (given["databases"] or not given["resume_within"]):
        module.fail_json(msg="guard needs resume_within, and takes no databases: it guards instances as a whole")
    if given["action"] == "pause" and 0 < given["resume_within"] <= given["timeout"]:
        module.fail_json(
            msg=f"resume_within ({given['resume_within']:g} s) must be longer than timeout ({given['timeout']:g} s), "
            "or the pause may be ended while it is still being made"
        )
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _leave)  # so that a pause under way is undone on the way out
    try:
        found = discover(given["socket_directory"], given["os_user"])
        chosen = choose(found, given["instances"], given["socket_directory"])
        if given["action"] == "guard":
            for instance in () if module.check_mode else chosen:
                deadman.arm(instance, [], ["RESUME"], given["resume_within"])
            listed = [{"name": one.name, "port": one.port, "commands": []} for one in chosen]
            module.exit_json(changed=False, instances=listed)
        jobs = apply.plan(given["action"], given["databases"], chosen)
        if not module.check_mode:
            apply.run(given["action"], given["databases"], jobs, given["timeout"], given["resume_within"])
    except (apply.Failed, deadman.NotArmed, PsqlError, ValueError) as error:
        module.fail_json(msg=f"{given['action']}: {error}")
    module.exit_json(
        changed=any(changes(given["action"], job.commands) for job in jobs),
        instances=[{"name": job.instance.name, "port": job.instance.port, "commands": job.commands} for job in jobs],
        diff={
            "before": {job.instance.name: asdict(job.state) for job in jobs},
            "after": {
                job.instance.name: asdict(state_after(given["action"], given["databases"], job.commands, job.state))
                for job in jobs
            },
        },
    )


def _leave(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
