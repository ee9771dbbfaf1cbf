"""etcd: members and their URLs."""

from __future__ import annotations

from .presets import RECOVERY_TIME
from .schema.members import Etcd, EtcdMember
from .settings import Settings
from .tls import CIPHER_SUITES, LOOPBACK, directory
from .topology import Topology, host_port

DATA_DIRECTORY = "/var/lib/etcd/pgtier"


def etcd(settings: Settings, topology: Topology) -> Etcd:
    client_port, peer_port = settings["etcd_client_port"], settings["etcd_peer_port"]
    scheme = "https" if settings["tls_enabled"] else "http"
    members = {
        host: EtcdMember(
            name=host,
            address=topology.addresses[host],
            client_url=f"{scheme}://{host_port(topology.addresses[host], client_port)}",
            peer_url=f"{scheme}://{host_port(topology.addresses[host], peer_port)}",
            data_directory=DATA_DIRECTORY,
        )
        for host in topology.etcd
    }
    preset = RECOVERY_TIME[settings["patroni_recovery_time"]]
    return Etcd(
        token=settings["etcd_token"] or settings["patroni_scope"],
        members=members,
        initial_cluster=",".join(f"{member['name']}={member['peer_url']}" for member in members.values()),
        client_urls=[member["client_url"] for member in members.values()],
        local_url=f"{scheme}://{LOOPBACK}:{client_port}",
        client_port=client_port,
        tls_directory=directory(settings, "etcd"),
        cipher_suites=CIPHER_SUITES,
        heartbeat_interval_ms=preset.etcd_heartbeat_ms,
        # etcd's tuning guide: ten times the heartbeat.
        election_timeout_ms=10 * preset.etcd_heartbeat_ms,
    )
