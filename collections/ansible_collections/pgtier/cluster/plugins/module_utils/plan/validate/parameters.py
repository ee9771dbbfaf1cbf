"""Parameters of PostgreSQL and of the kernel that a user may not set, or not to that value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ..mistakes import Mistake, show
from ..patroni import recovery_point
from ..postgresql import wal_senders
from ..profiles import SAME_ON_ALL_MEMBERS
from .subject import Subject

_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?")
_SYSCTL = re.compile(r"[a-z0-9_-]+([./][A-Za-z0-9_-]+)+")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_AMOUNT = re.compile(r"-1|\d+ ?(B|kB|MB|GB|TB)?")
_MEMORY = frozenset(
    (
        "shared_buffers",
        "effective_cache_size",
        "work_mem",
        "maintenance_work_mem",
        "autovacuum_work_mem",
        "temp_buffers",
        "wal_buffers",
        "logical_decoding_work_mem",
        "min_wal_size",
        "max_wal_size",
        "wal_keep_size",
        "max_slot_wal_keep_size",
    )
)
_PATRONI_SETS = "Leave it out: Patroni sets it."
_REFUSED = {
    "max_connections": "Use postgresql_max_connections.",
    "superuser_reserved_connections": "Use postgresql_superuser_reserved_connections.",
    "port": "Use postgresql_port.",
    **dict.fromkeys(
        (
            "archive_cleanup_command",
            "cluster_name",
            "config_file",
            "data_directory",
            "external_pid_file",
            "hba_file",
            "hot_standby",
            "ident_file",
            "listen_addresses",
            "primary_conninfo",
            "primary_slot_name",
            "promote_trigger_file",
            "recovery_target",
            "recovery_target_timeline",
            "restore_command",
            "synchronous_standby_names",
            "unix_socket_directories",
        ),
        _PATRONI_SETS,
    ),
}
_OFF = ("off", "false", "no", "0")
# Values that break what the cluster promises.
_UNSAFE = {
    "fsync": (_OFF, "A crash would lose acknowledged commits and may leave a broken data directory."),
    "full_page_writes": (_OFF, "A crash may leave torn pages."),
    "password_encryption": (("md5",), "PgBouncer and pg_hba ask for scram-sha-256."),
    "max_slot_wal_keep_size": (("-1",), "The WAL kept for a replica that is away would fill the primary's disk."),
    "wal_level": (("minimal",), "Standbys need replica or logical."),
}
_NO_WAITING = ("off", "local", "false", "no", "0")


def cluster(subject: Subject) -> Iterator[Mistake]:
    variable, values = "postgresql_parameters", subject.settings["postgresql_parameters"]
    yield from _values("cluster", variable, values)
    libraries = values.get("shared_preload_libraries")
    if isinstance(libraries, str) and "pg_stat_statements" not in re.split(r"[\s,]+", libraries):
        yield Mistake(
            "cluster",
            f"{variable}.shared_preload_libraries",
            show(libraries),
            "lacks pg_stat_statements, which every database has",
            f"Use pg_stat_statements,{libraries}.",
        )
    commit = _text(values.get("synchronous_commit"))
    if commit in _NO_WAITING and recovery_point(subject.settings, subject.topology) == "zero":
        yield Mistake(
            "cluster",
            f"{variable}.synchronous_commit",
            commit,
            "breaks recovery point zero: commits are acknowledged that no standby has",
            "Leave it out, or set patroni_recovery_point to async.",
        )
    senders, needed = values.get("max_wal_senders"), 2 * len(subject.topology.members)
    if isinstance(senders, int) and senders < needed:
        yield Mistake(
            "cluster",
            f"{variable}.max_wal_senders",
            show(senders),
            f"is fewer than {needed}, two for each member",
            f"Leave it out; {wal_senders(subject.topology)} are computed.",
        )


def members(subject: Subject) -> Iterator[Mistake]:
    variable = "postgresql_member_parameters"
    for host in subject.inventory.hosts:
        values = subject.settings.of(host, variable)
        yield from _values(f"host {host}", variable, values)
        for name in values:
            if name in SAME_ON_ALL_MEMBERS:
                yield Mistake(
                    f"host {host}",
                    f"{variable}.{name}",
                    show(values[name]),
                    "has to be the same on all members, or a standby could not follow",
                    "Set it in postgresql_parameters.",
                )


def system(subject: Subject) -> Iterator[Mistake]:
    for name, value in subject.settings["system_sysctl"].items():
        path = f"system_sysctl.{name}"
        if not isinstance(name, str) or not _SYSCTL.fullmatch(name):
            yield Mistake(
                "cluster", path, show(value), "is not the name of a kernel setting", "Use one such as vm.swappiness."
            )
        elif isinstance(value, bool) or not isinstance(value, str | int) or "\n" in str(value):
            yield Mistake(
                "cluster", path, show(value), "must be a number or one line of text", "Write what sysctl prints."
            )
    for index, name in enumerate(subject.settings["system_packages"]):
        if not _PACKAGE.fullmatch(name):
            yield Mistake(
                "cluster",
                f"system_packages[{index}]",
                show(name),
                "is not the name of a Debian package",
                "Use one package an item, in lower case and without a version.",
            )


def _values(where: str, variable: str, values: Mapping[object, object]) -> Iterator[Mistake]:
    for name, value in values.items():
        path = f"{variable}.{name}"
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            yield Mistake(
                where, path, show(value), "is not the name of a parameter", "Use lower case, as PostgreSQL shows it."
            )
        elif name in _REFUSED:
            yield Mistake(where, path, show(value), "is not set here", _REFUSED[name])
        elif not isinstance(value, str | int | float):
            yield Mistake(
                where, path, show(value), "must be text, a number, true or false", "Write it as in postgresql.conf."
            )
        elif isinstance(value, str) and ("\n" in value or "\0" in value):
            yield Mistake(where, path, show(value), "has more than one line", "Write it as in postgresql.conf.")
        elif name in _MEMORY and not _AMOUNT.fullmatch(str(value)):
            yield Mistake(
                where, path, show(value), "is not an amount of memory", "Use a whole number with kB, MB, GB or TB."
            )
        elif name in _UNSAFE and _text(value) in _UNSAFE[name][0]:
            yield Mistake(where, path, show(value), "is not safe", _UNSAFE[name][1])


def _text(value: object) -> str:
    return "off" if value is False else str(value).lower()
