"""The virtual address: which proxy has it, by VRRP between their own addresses.

All proxies have the same priority, and the check on each (roles/keepalived/files/proxy_check) takes from it by how much
that proxy is worse than a sound one. So the least broken proxy has the address; among equals nobody takes it from
another, which is why one that comes back moves nothing; and what is wrong with all of them alike, such as that there is
no primary, moves nothing either.
"""

from __future__ import annotations

from collections.abc import Mapping

from . import pooler_databases
from .endpoints import wanted_pools
from .inventory import HostFacts
from .logins import POOLER_LOOKUP
from .pgbouncer import instance_name
from .schema.keepalived import Keepalived, PoolQuery, ProxyCheck
from .settings import Settings
from .tls import LOOPBACK, ca_file
from .topology import Topology, virtual_address

# With what the check takes and gives, 180 and 10 at most, it stays within 1 and 254.
PRIORITY = 200
# Three that do not come, and a little: a proxy that is gone is replaced in 0.8 s.
ADVERT_SECONDS = 0.25
DIRECTORY = "/run/pgtier-proxy-check"


def keepalived(settings: Settings, topology: Topology, facts: Mapping[str, HostFacts]) -> Keepalived:
    address = virtual_address(settings)
    proxies = topology.proxies if address else ()
    return Keepalived(
        address=address,
        router_id=settings["keepalived_router_id"] or (last_byte(address) or 255 if address else 0),
        priority=PRIORITY,
        advert_seconds=ADVERT_SECONDS,
        proxies={host: topology.addresses[host] for host in proxies},
        interfaces={host: interface(settings, facts, host) for host in proxies},
        check=_check(settings, topology, address),
    )


def interface(settings: Settings, facts: Mapping[str, HostFacts], host: str) -> str:
    told = facts[host].interface if host in facts else ""
    return str(settings.of(host, "keepalived_interface") or told)


def last_byte(address: str) -> int:
    """Of an address of either family."""
    return int(address.rpartition(".")[2]) if "." in address else int(address.rpartition(":")[2] or "0", 16) % 256


def _check(settings: Settings, topology: Topology, address: str) -> ProxyCheck:
    pools = wanted_pools(settings, topology)
    to_primary = [pool for pool in pools if pool.target == "primary"]
    return ProxyCheck(
        address=address,
        weight_file=f"{DIRECTORY}/weight",
        drained_file=f"{DIRECTORY}/drained",
        password_file="/etc/pgbouncer/userlist.txt",
        haproxy="/run/haproxy/state.sock",
        consoles={
            f"/run/pgbouncer/{instance_name(pool, process)}": pool.port
            for pool in pools
            for process in range(1, pool.processes + 1)
        },
        # The login that looks up passwords has a connection of its own, which the budget counts.
        query=PoolQuery(
            host=LOOPBACK,
            port=to_primary[0].port,
            database=pooler_databases.LOOKUP,
            user=POOLER_LOOKUP,
            ca_file=ca_file(settings),
        )
        if to_primary
        else None,
    )
