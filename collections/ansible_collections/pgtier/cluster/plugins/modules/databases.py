#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
---
module: databases
short_description: Converge databases, users, grants, extensions and schemas of a server in one execution
version_added: 0.1.0
description:
  - Brings the databases and users of a plan, and the tier's own logins, to what the plan says.
    Runs on the leader, over the Unix socket, as the operating system user C(postgres) (peer authentication).
  - A listed database belongs to its owner; nobody but the listed users may connect to it;
    C(public) belongs to the database's owner and is closed to whoever has no grant in the database.
  - Nobody but the tier's own logins may connect to the database C(postgres).
  - A listed user has exactly the attributes, memberships, password and grants that are listed.
    A grant covers the tables, sequences and functions of a schema, those that exist and those made later by
    the owner of the database, the owner of the schema or a user with C(all) on it.
    Privileges that somebody granted by hand in a schema in which the inventory never gave the user anything are left.
  - Databases, users, schemas and extensions that are not listed are left alone.
  - Passwords are turned into SCRAM secrets by the module, so that the server never sees the clear text,
    and a stored secret that fits the password is not written again.
  - The function C(pgbouncer.user_lookup) in database C(postgres), by which PgBouncer authenticates, belongs to it.
author: pgtier contributors (@pgtier)
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  check_mode:
    details: Where no server answers yet, everything is predicted to be made, and C(notes) says so.
  diff_mode:
    details: The diff is the list of statements, without passwords.
options:
  databases:
    description: Databases by name, as C(databases) of the plan.
    type: dict
    required: true
  users:
    description: Users by name, as C(users) of the plan. Those with C(service) are the tier's own.
    type: dict
    required: true
  passwords:
    description:
      - Passwords in clear text, by user.
      - A user that exists and has none here keeps the password it has; a user to be made must have one.
    type: dict
    required: true
  socket_directory:
    description: Directory of the server's Unix socket.
    type: path
    default: /var/run/postgresql
  port:
    description: The server's port, which is part of the name of the socket.
    type: int
    default: 5432
  lookup_function:
    description: Whether PgBouncer's lookup function is looked after.
    type: bool
    default: true
requirements:
  - python3-psycopg2 on the host (Debian's patroni depends on it)
  - PostgreSQL 14 or newer; tried with 17
notes:
  - Needs C(become), because only root can act as C(postgres).
  - Why not community.postgresql. It does one object an execution, and an execution costs about 0.4 s whatever it does.
    An inventory of three databases and ten users with their grants would take half a minute to find that nothing has
    changed; the whole second run of a cluster has ten seconds. Nor can it put what
    belongs together into one transaction.
  - All changes of a database are one transaction, except C(CREATE DATABASE), which cannot be in one.
    A run that fails leaves nothing half done in a database, and the next run does the rest.
  - A statement waits at most 10 seconds for a lock, a commit at most 30 seconds for a synchronous standby.
"""

EXAMPLES = r"""
- name: Converge databases, users and grants
  pgtier.cluster.databases:
    databases:
      shop: {name: shop, owner: shop, encoding: UTF8, extensions: [pg_trgm], schemas: [{name: reports}]}
    users:
      shop:
        name: shop
        service: false
        databases: [shop]
        grants: []
        attributes: []
        member_of: []
        connection_limit: -1
    passwords: "{{ pgtier_secrets.users }}"
    lookup_function: false
  become: true
"""

RETURN = r"""
statements:
  description: What was run, or would be, in this order. Passwords are masked.
  returned: success
  type: list
  elements: dict
  contains:
    database:
      description: The database it runs in.
      type: str
    sql:
      description: The statement.
      type: str
    why:
      description: What it is needed for.
      type: str
notes:
  description: What to know about the result.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.model import (
    Desired,
    PlanError,
    Server,
    Statement,
)
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.observe import observe
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.planner import bare_server, plan
from ansible_collections.pgtier.cluster.plugins.module_utils.databases.session import NoServer, Session, SessionError


def look(session: Session, desired: Desired, check_mode: bool) -> tuple[Server, list[str]]:
    """What is there, and what to say about it. A host without a server is like an empty server, in check mode."""
    try:
        if session.is_replica():
            raise SessionError("the server on this host is a replica and cannot be written to: run this on the leader")
        return observe(desired, session.query), []
    except NoServer as error:
        if not check_mode:
            raise
        return bare_server(), [f"no server to compare with, so everything would be made ({error})"]


def shown(statements: list[Statement]) -> str:
    return "".join(f"[{statement.database}] {statement.text};  -- {statement.why}\n" for statement in statements)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "databases": {"type": "dict", "required": True},
            "users": {"type": "dict", "required": True},
            "passwords": {"type": "dict", "required": True, "no_log": True},
            "socket_directory": {"type": "path", "default": "/var/run/postgresql"},
            "port": {"type": "int", "default": 5432},
            "lookup_function": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    desired = Desired(
        databases=module.params["databases"],
        users=module.params["users"],
        passwords=module.params["passwords"],
        lookup=module.params["lookup_function"],
    )
    try:
        with Session(module.params["socket_directory"], module.params["port"]) as session:
            server, notes = look(session, desired, module.check_mode)
            statements = plan(desired, server)
            if not module.check_mode:
                session.apply(statements)
    except PlanError as error:
        module.fail_json(
            msg=f"{len(error.problems)} problem(s), nothing was changed:\n- " + "\n- ".join(error.problems)
        )
    except SessionError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(statements),
        statements=[{"database": s.database, "sql": s.text, "why": s.why} for s in statements],
        notes=notes,
        diff={"prepared": shown(statements)},
    )


if __name__ == "__main__":
    main()
