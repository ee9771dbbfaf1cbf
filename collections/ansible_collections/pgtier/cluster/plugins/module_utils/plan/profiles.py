"""What a kind of load and a kind of disk ask of PostgreSQL. The figures of memory and cores are in postgresql.py."""

from __future__ import annotations

Values = dict[str, "str | int | float"]

# Figures for WAL and statistics are pgtune's for web, mixed and data warehouse.
PROFILES: dict[str, Values] = {
    "web": {
        "min_wal_size": "1GB",
        "max_wal_size": "4GB",
        "max_slot_wal_keep_size": "16GB",
        "default_statistics_target": 100,
        "jit": "off",
        "idle_in_transaction_session_timeout": "5min",
        "log_min_duration_statement": "1s",
    },
    "mixed": {
        "min_wal_size": "1GB",
        "max_wal_size": "4GB",
        "max_slot_wal_keep_size": "16GB",
        "default_statistics_target": 100,
        "jit": "off",
        "idle_in_transaction_session_timeout": "30min",
        "log_min_duration_statement": "5s",
    },
    "analytics": {
        "min_wal_size": "4GB",
        "max_wal_size": "16GB",
        "max_slot_wal_keep_size": "64GB",
        "default_statistics_target": 500,
        "jit": "on",
        "idle_in_transaction_session_timeout": "60min",
        "log_min_duration_statement": "60s",
    },
}

DISKS: dict[str, Values] = {
    "hdd": {"random_page_cost": 4, "effective_io_concurrency": 2, "autovacuum_vacuum_cost_limit": 200},
    "ssd": {"random_page_cost": 1.1, "effective_io_concurrency": 200, "autovacuum_vacuum_cost_limit": 1000},
    "nvme": {"random_page_cost": 1.1, "effective_io_concurrency": 300, "autovacuum_vacuum_cost_limit": 2000},
}

# The same for every cluster.
COMMON: Values = {
    "shared_preload_libraries": "pg_stat_statements",
    "pg_stat_statements.max": 10000,
    "track_io_timing": "on",
    "password_encryption": "scram-sha-256",
    "wal_level": "replica",
    "wal_log_hints": "on",
    "wal_compression": "lz4",
    "wal_keep_size": "512MB",
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
    "track_commit_timestamp": "off",
    "synchronous_commit": "on",
    "hot_standby_feedback": "on",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": 0.9,
    "autovacuum_vacuum_scale_factor": 0.1,
    "autovacuum_analyze_scale_factor": 0.05,
    "huge_pages": "try",
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": "60s",
    "client_connection_check_interval": "10s",
    "logging_collector": "on",
    "log_directory": "/var/log/postgresql",
    "log_filename": "postgresql-%a.log",
    "log_file_mode": "0640",
    "log_rotation_age": "1d",
    "log_rotation_size": 0,
    "log_truncate_on_rotation": "on",
    "log_line_prefix": "%m [%p] %q%u@%d %a ",
    "log_checkpoints": "on",
    "log_lock_waits": "on",
    "log_temp_files": "10MB",
    "log_autovacuum_min_duration": "10s",
    "log_timezone": "Etc/UTC",
    "timezone": "Etc/UTC",
}

# A replica for reports lets its queries hold up replay for an hour, and does not hold up the primary's vacuum.
ANALYTICS_MEMBER: Values = {"hot_standby_feedback": "off", "max_standby_streaming_delay": "1h"}

# What Patroni takes from its dynamic configuration only: a standby with less than its primary would stop.
SAME_ON_ALL_MEMBERS = frozenset(
    (
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_wal_senders",
        "max_worker_processes",
        "track_commit_timestamp",
        "wal_level",
        "wal_log_hints",
    )
)

SOURCES: dict[str, str] = {
    "shared_buffers": "PostgreSQL manual 19.4: a quarter of memory",
    "effective_cache_size": "pgtune: three quarters of memory",
    "maintenance_work_mem": "pgtune: 1/16 of memory, 1/8 for analytics, at most 2 GB",
    "work_mem": "pgtune: what shared_buffers leaves, over (connections + workers) x 3, halved for mixed and analytics; "
    "PostgreSQL's default of 4 MB at least",
    "max_worker_processes": "pgtune: the cores; PostgreSQL's default of 8 at least",
    "max_parallel_workers": "pgtune: the cores",
    "max_parallel_workers_per_gather": "pgtune: half of the cores, at most 4 except for analytics; web at most 2",
    "max_parallel_maintenance_workers": "pgtune: half of the cores, at most 4",
    "max_connections": "postgresql_max_connections; the budget of the pools has to fit in",
    "superuser_reserved_connections": "PostgreSQL manual 19.3: Patroni is the superuser and must always get in",
    "max_wal_senders": "PostgreSQL manual 19.6: two for each member (stream and base backup), and room for tools",
    "max_replication_slots": "Patroni: a slot for each member on each member; as many as WAL senders",
    "wal_level": "PostgreSQL manual 19.5: what streaming replication needs",
    "wal_log_hints": "PostgreSQL manual, pg_rewind: needed where a data directory lacks checksums",
    "wal_compression": "PostgreSQL manual 19.5: full page images are most of WAL after a checkpoint; lz4 costs little",
    "wal_keep_size": "PostgreSQL manual 19.6: pg_rewind finds the WAL from before a failover",
    "max_slot_wal_keep_size": "PostgreSQL manual 19.6: a lost replica must not fill the disk; 4 x max_wal_size",
    "min_wal_size": "pgtune",
    "max_wal_size": "pgtune",
    "checkpoint_timeout": "PostgreSQL manual 28.5: fewer checkpoints, fewer full page images",
    "checkpoint_completion_target": "PostgreSQL manual 19.5: the default, spreads the writes",
    "synchronous_commit": "PostgreSQL manual 19.5: what recovery point zero relies on",
    "hot_standby_feedback": "PostgreSQL manual 26.4: reads on replicas are not cancelled by vacuum on the primary",
    "max_standby_streaming_delay": "PostgreSQL manual 26.4: long reports finish before replay goes on",
    "max_prepared_transactions": "PostgreSQL manual 19.4: the default; two-phase commit is not used",
    "max_locks_per_transaction": "PostgreSQL manual 19.12: the default; Patroni keeps it equal on all members",
    "track_commit_timestamp": "PostgreSQL manual 19.6: the default; Patroni keeps it equal on all members",
    "random_page_cost": "pgtune: 4 for disks that seek, else 1.1",
    "effective_io_concurrency": "pgtune: 2 for disks that seek, 200 for SSD, 300 for faster ones",
    "autovacuum_vacuum_cost_limit": "PostgreSQL manual 19.10: the default of 200 is for disks that seek",
    "autovacuum_vacuum_scale_factor": "PostgreSQL manual 19.10: half of the default, for large tables",
    "autovacuum_analyze_scale_factor": "PostgreSQL manual 19.10: half of the default",
    "default_statistics_target": "pgtune: 100, 500 for analytics",
    "jit": "PostgreSQL manual 30.2: pays only for long queries",
    "huge_pages": "PostgreSQL manual 18.4.5: used where the host has them",
    "password_encryption": "PostgreSQL manual 20.5",
    "shared_preload_libraries": "PostgreSQL manual F.30: pg_stat_statements must be loaded at the start",
    "pg_stat_statements.max": "PostgreSQL manual F.30: twice the default, for frameworks with many shapes of a query",
    "track_io_timing": "PostgreSQL manual 19.9: makes pg_stat_statements say what is disk",
    "idle_in_transaction_session_timeout": "PostgreSQL manual 19.11: a forgotten transaction holds a pooled connection",
    "tcp_keepalives_idle": "PostgreSQL manual 19.3: a client whose host is gone lets go of its locks within a minute",
    "tcp_keepalives_interval": "as tcp_keepalives_idle",
    "tcp_keepalives_count": "as tcp_keepalives_idle",
    "tcp_user_timeout": "as tcp_keepalives_idle, for data that is sent and not acknowledged",
    "client_connection_check_interval": "PostgreSQL manual 19.3: a query ends when its client is gone",
    "logging_collector": "PostgreSQL manual 19.8: logs apart from Patroni's journal",
    "log_directory": "Debian's folder for them",
    "log_filename": "PostgreSQL manual 19.8: one file a weekday, overwritten after a week",
    "log_file_mode": "Debian: readable by the group",
    "log_rotation_age": "as log_filename",
    "log_rotation_size": "as log_filename",
    "log_truncate_on_rotation": "as log_filename",
    "log_line_prefix": "what pgBadger reads: time, process, user, database, application",
    "log_checkpoints": "PostgreSQL manual 19.8: the default",
    "log_lock_waits": "PostgreSQL manual 19.8: waits longer than deadlock_timeout",
    "log_temp_files": "PostgreSQL manual 19.8: queries that work_mem is too small for",
    "log_autovacuum_min_duration": "PostgreSQL manual 19.8: slow vacuums",
    "log_min_duration_statement": "PostgreSQL manual 19.8: what is slow depends on the profile",
    "log_timezone": "one clock for all members",
    "timezone": "one clock for all members",
}
