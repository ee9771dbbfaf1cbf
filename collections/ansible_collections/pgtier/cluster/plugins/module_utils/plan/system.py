"""Kernel settings of a host, from what it is for.

Sources: PostgreSQL manual 18.4.4 and 18.4.5; the kernel's documentation of sysctl/vm and ip-sysctl.
"""

from __future__ import annotations

HUGE_PAGE_MB = 2
MIB = 1024 * 1024


def huge_pages(shared_buffers_mb: int) -> int:
    """2 MiB pages for PostgreSQL's shared memory: the buffers and a tenth more for locks, WAL buffers and the like.

    `postgres -C shared_memory_size_in_huge_pages` gives the exact figure, but only once a server is configured.
    """
    return -(-(shared_buffers_mb * 11 // 10 + 32) // HUGE_PAGE_MB)


def sysctl(*, member: bool, proxy: bool, shared_buffers_mb: int | None = None) -> dict[str, str | int]:
    """The sysctl settings of a host. `shared_buffers_mb` is None while its memory is unknown."""
    settings: dict[str, str | int] = {
        # A burst of clients waits in the queue instead of being refused.
        "net.core.somaxconn": 4096,
        "net.ipv4.tcp_max_syn_backlog": 4096,
    }
    if proxy:
        # Each pooled connection to a server takes a port on this side.
        settings["net.ipv4.ip_local_port_range"] = "10240 65535"
        # A client in the queue of a process that stops listening goes to another one that shares the port.
        settings["net.ipv4.tcp_migrate_req"] = 1
    if member:
        settings |= {
            # An allocation fails in one session rather than the OOM killer taking the postmaster.
            "vm.overcommit_memory": 2,
            "vm.overcommit_ratio": 90,
            "vm.swappiness": 1,
            # Write back early and steadily, so that a checkpoint's fsync finds little left to do.
            "vm.dirty_background_bytes": 64 * MIB,
            "vm.dirty_bytes": 512 * MIB,
        }
        if shared_buffers_mb is not None:
            settings["vm.nr_hugepages"] = huge_pages(shared_buffers_mb)
    return settings
