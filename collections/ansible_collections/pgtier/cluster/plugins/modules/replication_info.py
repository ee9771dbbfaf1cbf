#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""What one PostgreSQL server says about replication."""

from __future__ import annotations

DOCUMENTATION = r"""
module: replication_info
short_description: Standbys, slots, timeline and lag of one PostgreSQL server
version_added: 0.1.0
description:
  - Asks the PostgreSQL server of this host, primary or replica, in one query.
    Run it on each host of the group C(postgres).
  - It runs C(psql) as O(os_user) over the Unix socket, where PostgreSQL trusts the operating system user,
    so no password is needed. Become root for it, or O(os_user) itself.
options:
  socket_directory:
    description: Directory of the server's Unix socket.
    type: path
    default: /var/run/postgresql
  port:
    description: Port of the server, which names its Unix socket.
    type: int
    default: 5432
  os_user:
    description: Operating system user and database login.
    type: str
    default: postgres
  timeout:
    description: Seconds to wait for the answer.
    type: float
    default: 10.0
extends_documentation_fragment:
  - pgtier.cluster.attributes
attributes:
  diff_mode:
    support: none
seealso:
  - module: pgtier.cluster.patroni_info
author: pgtier contributors (@pgtier)
"""

EXAMPLES = r"""
- name: See how replication does on every member
  pgtier.cluster.replication_info:
  become: true
  register: replication

- name: Refuse to go on while a replica is more than 16 MiB behind
  ansible.builtin.assert:
    that: (replication.lag_bytes or 0) < 16 * 1024 * 1024
"""

RETURN = r"""
in_recovery:
  description: Whether the server is a replica.
  returned: success
  type: bool
server_version:
  description: Version of the running server.
  returned: success
  type: str
system_identifier:
  description: Identifier that all members of one cluster share.
  returned: success
  type: str
timeline:
  description: Timeline that the server writes, or receives.
  returned: success
  type: int
data_checksums:
  description: Whether data pages carry checksums.
  returned: success
  type: bool
synchronous_standby_names:
  description: The primary's setting, as Patroni keeps it.
  returned: success
  type: str
lsn:
  description: WAL position written (primary) or replayed (replica).
  returned: success
  type: str
lag_bytes:
  description:
    - Bytes of WAL that a replica knows of and has not replayed, null on a primary.
    - What the primary has written since it last sent something is not in it. The primary's RV(standbys) has that.
  returned: success
  type: int
lag_seconds:
  description:
    - Seconds since the last replayed transaction was committed, V(0) if all that is known is replayed,
      null on a primary.
    - While a replica receives nothing it counts up, because nothing says that there is nothing to replay.
  returned: success
  type: float
replay_paused:
  description: Whether replay is paused on a replica.
  returned: success
  type: bool
receiver:
  description: The WAL receiver (C(pg_stat_wal_receiver)), null where none runs.
  returned: success
  type: dict
  sample: {"status": "streaming", "sender_host": "10.0.0.11", "slot_name": "pg2", "received_tli": 1}
standbys:
  description: Servers that stream from this one (C(pg_stat_replication)), with their lag in bytes and seconds.
  returned: success
  type: list
  elements: dict
  sample:
    - {"application_name": "pg2", "client_addr": "10.0.0.12", "state": "streaming", "sync_state": "quorum",
       "sent_lag_bytes": 0, "flush_lag_bytes": 0, "replay_lag_bytes": 0, "replay_lag_seconds": null}
oldest_wal:
  description: Where the oldest file of WAL that the server has begins, in bytes.
  returned: success
  type: int
slots:
  description: Replication slots, with the bytes of WAL that each holds back.
  returned: success
  type: list
  elements: dict
  sample: [{"slot_name": "pg2", "slot_type": "physical", "active": true, "wal_status": "reserved",
       "invalidation_reason": null, "retained_bytes": 0}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.pgtier.cluster.plugins.module_utils.postgresql import Psql, PsqlError

# A CASE guards the functions that only a primary, or only a replica, may call. A replica's timeline is the one it
# receives; without a receiver it is that of the recovery's end, and the checkpoint's is only the last resort,
# because it stays on the old timeline until the first restartpoint after a failover.
QUERY = """
WITH here AS (
  SELECT pg_is_in_recovery() AS replica,
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS known,
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() END AS replayed
), receiver AS (
  SELECT status, sender_host, sender_port, slot_name, received_tli, written_lsn, flushed_lsn, latest_end_lsn,
         last_msg_receipt_time
  FROM pg_stat_wal_receiver
)
SELECT json_build_object(
  'in_recovery', replica,
  'server_version', current_setting('server_version'),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN replica THEN coalesce(
      (SELECT received_tli FROM receiver),
      (SELECT nullif(min_recovery_end_timeline, 0) FROM pg_control_recovery()),
      (SELECT timeline_id FROM pg_control_checkpoint()))
    ELSE ('x' || left(pg_walfile_name(known), 8))::bit(32)::int END,
  'data_checksums', current_setting('data_checksums') = 'on',
  'synchronous_standby_names', current_setting('synchronous_standby_names'),
  'lsn', coalesce(replayed, known),
  'lag_bytes', CASE WHEN replica THEN greatest(pg_wal_lsn_diff(known, replayed), 0) END,
  'lag_seconds', CASE
    WHEN NOT replica THEN NULL
    WHEN known <= replayed AND EXISTS (SELECT FROM receiver WHERE status = 'streaming') THEN 0
    ELSE round(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 3) END,
  'replay_paused', CASE WHEN replica THEN pg_is_wal_replay_paused() ELSE false END,
  'receiver', (SELECT to_json(receiver) FROM receiver),
  'standbys', (SELECT coalesce(json_agg(s ORDER BY s.application_name), '[]') FROM (
    SELECT application_name, usename, host(client_addr) AS client_addr, state, sync_state, sync_priority,
           pg_wal_lsn_diff(known, sent_lsn) AS sent_lag_bytes,
           pg_wal_lsn_diff(known, flush_lsn) AS flush_lag_bytes,
           pg_wal_lsn_diff(known, replay_lsn) AS replay_lag_bytes,
           extract(epoch FROM write_lag) AS write_lag_seconds,
           extract(epoch FROM flush_lag) AS flush_lag_seconds,
           extract(epoch FROM replay_lag) AS replay_lag_seconds
    FROM pg_stat_replication) s),
  'oldest_wal', (SELECT min((pg_split_walfile_name(name)).segment_number)
                        * pg_size_bytes(current_setting('wal_segment_size'))
    FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'),
  'slots', (SELECT coalesce(json_agg(s ORDER BY s.slot_name), '[]') FROM (
    SELECT slot_name, slot_type, database, plugin, temporary, active, wal_status, invalidation_reason, restart_lsn,
           pg_wal_lsn_diff(known, restart_lsn) AS retained_bytes
    FROM pg_replication_slots) s)
) FROM here
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "socket_directory": {"type": "path", "default": "/var/run/postgresql"},
            "port": {"type": "int", "default": 5432},
            "os_user": {"type": "str", "default": "postgres"},
            "timeout": {"type": "float", "default": 10.0},
        },
        supports_check_mode=True,
    )
    server = Psql(module.params["socket_directory"], module.params["port"], "postgres", module.params["os_user"])
    try:
        answer = server.json(QUERY, module.params["timeout"])
    except PsqlError as error:
        module.fail_json(msg=f"{error}. See `systemctl status patroni` and `patronictl list` on this host.")
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
