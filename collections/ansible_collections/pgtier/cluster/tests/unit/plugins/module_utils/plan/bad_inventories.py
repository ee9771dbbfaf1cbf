"""Inventories that must be refused. What is said about each is in bad_inventories.yml, beside this file."""

from __future__ import annotations

from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.plan.inventory import Inventory, Unreadable
from ansible_collections.pgtier.cluster.tests.unit.plugins.module_utils.plan.examples import (
    GROUPS,
    MEMBERS,
    PROXIES,
    inventory,
)

ONE = ("pg1",)
ALONE = {"etcd": ONE, "postgres": ONE, "proxy": ("proxy1",)}
TWO = {**GROUPS, "postgres": ("pg1", "pg2")}
FOUR = {**GROUPS, "postgres": (*MEMBERS, "pg4")}
COMPACT = dict.fromkeys(GROUPS, MEMBERS)
ANALYTICS = {"pg4": {"patroni_role": "analytics"}}


def users(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "app"}, {"name": "web", **changes}]


def databases(**changes: Any) -> list[dict[str, Any]]:
    return [{"name": "app", "owner": "app", **changes}]


def hba(**changes: Any) -> list[dict[str, Any]]:
    return [{"database": "app", "user": "app", "address": "10.1.0.0/16", **changes}]


BAD: dict[str, Inventory] = {
    # Groups and hosts
    "no groups": Inventory({}),
    "no etcd": inventory({"postgres": MEMBERS, "proxy": PROXIES}),
    "no postgres": inventory({"etcd": MEMBERS, "proxy": PROXIES}),
    "no proxy": inventory({"etcd": MEMBERS, "postgres": MEMBERS}),
    "empty proxy": inventory({**GROUPS, "proxy": ()}),
    "empty postgres": inventory({**GROUPS, "postgres": ()}),
    "two etcd members": inventory({**GROUPS, "etcd": ("pg1", "pg2")}),
    "four etcd members": inventory({**FOUR, "etcd": FOUR["postgres"]}),
    "nine etcd members": inventory({**GROUPS, "etcd": tuple(f"e{number}" for number in range(9))}),
    "host name with a blank": inventory({**GROUPS, "proxy": ("proxy 1",)}),
    "host name too long": inventory({**GROUPS, "proxy": ("p" * 64,)}),
    "one slot for two members": inventory({**GROUPS, "postgres": ("pg1", "db-1", "db.1")}),
    "streams from nobody": inventory(hosts={"pg2": {"patroni_replicate_from": "pg9"}}),
    "streams from itself": inventory(hosts={"pg2": {"patroni_replicate_from": "pg2"}}),
    "stream in a circle": inventory(
        hosts={
            "pg1": {"patroni_replicate_from": "pg2"},
            "pg2": {"patroni_replicate_from": "pg3"},
            "pg3": {"patroni_replicate_from": "pg2"},
        }
    ),
    "a proxy that streams": inventory(hosts={"proxy1": {"patroni_replicate_from": "pg2"}}),
    # Fence
    "a fence without a path": inventory(patroni_fence_command=["ipmi-off", "{host}"]),
    "a fence of nobody": inventory(patroni_fence_command=["/usr/local/bin/fence"]),
    "a fence with an unknown placeholder": inventory(patroni_fence_command=["/usr/local/bin/fence", "{hots}"]),
    "a fence without a majority": inventory(TWO, patroni_fence_command=["/usr/local/bin/fence", "{host}"]),
    "a fence without patience": inventory(patroni_fence_timeout_seconds=0),
    # Addresses
    "no address": inventory(hosts={"pg2": {"ansible_host": None}}),
    "address is a name": inventory(hosts={"pg2": {"ansible_host": "db2.example"}}),
    "address is a number": inventory(hosts={"pg2": {"ansible_host": 10}}),
    "address has a port": inventory(hosts={"pg2": {"pgtier_address": "10.0.0.1:22"}}),
    "address used twice": inventory(hosts={"pg2": {"ansible_host": "10.0.0.11"}}),
    "address used twice, written otherwise": inventory(
        hosts={"pg1": {"ansible_host": "2001:db8::1"}, "pg2": {"ansible_host": "2001:db8:0::1"}}
    ),
    "address of everything": inventory(hosts={"pg2": {"ansible_host": "0.0.0.0"}}),
    "address of loopback": inventory(hosts={"pg2": {"ansible_host": "127.0.0.1"}}),
    "address undefined": inventory(
        hosts={"pg2": {"ansible_host": Unreadable("its value cannot be worked out: 'base' is undefined")}}
    ),
    # Roles and recovery
    "only analytics": inventory(patroni_role="analytics"),
    "analytics is the only replica": inventory(TWO, {"pg2": {"patroni_role": "analytics"}}),
    "analytics outside postgres": inventory(hosts={"proxy1": {"patroni_role": "analytics"}}),
    "role unknown": inventory(hosts={"pg3": {"patroni_role": "analytic"}}),
    "zero with one candidate": inventory(ALONE, patroni_recovery_point="zero"),
    "recovery point unknown": inventory(patroni_recovery_point="none"),
    "recovery time unknown": inventory(patroni_recovery_time="quick"),
    "scope with a slash": inventory(patroni_scope="a/b"),
    "scope empty": inventory(patroni_scope=""),
    "token with a blank": inventory(etcd_token="my token"),
    # Types, ranges, names of variables
    "profile unknown": inventory(postgresql_profile="oltp"),
    "disk unknown": inventory(postgresql_disk="nvm"),
    "version not supported": inventory(postgresql_version=16),
    "port is text": inventory(postgresql_port="default"),
    "port is true": inventory(postgresql_port=True),
    "port too low": inventory(postgresql_port=80),
    "port too high": inventory(pgbouncer_endpoints={"primary": {"port": 70000}}),
    "fallback is a number": inventory(haproxy_read_fallback=2),
    "networks are text": inventory(postgresql_client_networks="10.0.0.0/8"),
    "network is a number": inventory(postgresql_client_networks=[10]),
    "parameters are a list": inventory(postgresql_parameters=["work_mem=4MB"]),
    "memory too little to be true": inventory(hosts={"pg1": {"postgresql_memory_mb": 64}}),
    "cores negative": inventory(hosts={"pg1": {"postgresql_cores": -2}}),
    "value undefined": inventory(postgresql_disk=Unreadable("its value cannot be worked out: 'disk' is undefined")),
    "variable misspelt": inventory(postgresql_memmory_mb=4096),
    "variable unknown": inventory(pgbouncer_logging_of_everything=True),
    "cluster variable on one host": inventory(hosts={"pg2": {"postgresql_port": 5433}}),
    "cluster variable differs": inventory(hosts={"pg2": {"postgresql_port": 5433}}, postgresql_port=5434),
    "endpoint unknown": inventory(pgbouncer_endpoints={"primry": {"port": 7000}}),
    "endpoint option unknown": inventory(pgbouncer_endpoints={"primary": {"pools": 3}}),
    "maxconn beyond open files": inventory(haproxy_maxconn=20000),
    # Ports
    "two ports of PostgreSQL's host": inventory(patroni_restapi_port=5432),
    "two endpoints on one port": inventory(pgbouncer_endpoints={"replica": {"port": 6432}}),
    "HAProxy and PgBouncer on one port": inventory(haproxy_primary_port=6432),
    "clash in the compact layout": inventory(COMPACT, haproxy_stats_port=5432),
    "etcd's two ports": inventory(etcd_client_port=2380),
    # Networks and pg_hba
    "network without a mask": inventory(postgresql_client_networks=["10.1.2.3"]),
    "network with host bits": inventory(postgresql_client_networks=["10.1.2.3/24"]),
    "network of nonsense": inventory(postgresql_client_networks=["office"]),
    "network twice": inventory(postgresql_client_networks=["10.1.0.0/16", "10.1.0.0/16"]),
    "rule without a user": inventory(postgresql_hba=[{"database": "app", "address": "10.1.0.0/16"}]),
    "rule with trust": inventory(postgresql_hba=hba(method="trust")),
    "rule with md5": inventory(postgresql_hba=hba(method="md5")),
    "rule for the superuser": inventory(postgresql_hba=hba(user="postgres,app")),
    "rule with a blank": inventory(postgresql_hba=hba(database="app, other")),
    "rule with a bad network": inventory(postgresql_hba=hba(address="samenet")),
    "rule that lets in what is not encrypted": inventory(postgresql_hba=hba(type="host")),
    "rule for TLS where it is off": inventory(tls_enabled=False, postgresql_hba=hba(type="hostssl")),
    # Firewall
    "firewall is text": inventory(firewall_enabled="maybe"),
    "administrators' network of nonsense": inventory(firewall_admin_networks=["office", "10.1.2.3/24"]),
    "extra port for nobody": inventory(hosts={"pg1": {"firewall_extra": [{"port": 9100}]}}),
    "extra port without a number": inventory(firewall_extra=[{"networks": ["10.9.0.0/16"]}]),
    "extra port of the cluster": inventory(
        hosts={"pg1": {"firewall_extra": [{"port": 2379, "networks": ["10.9.0.0/16"]}]}}
    ),
    "extra port for a bad network": inventory(
        hosts={"pg1": {"firewall_extra": [{"port": 9100, "networks": ["10.9.0.0"], "purpose": 'a "b"'}]}}
    ),
    # TLS
    "name in certificates with a port": inventory(tls_names=["db.example.com:6432"]),
    "certificate for no day": inventory(tls_days=0),
    # Databases
    "database without an owner": inventory(databases=[{"name": "app"}]),
    "database without a name": inventory(databases=[{"owner": "app"}]),
    "database is text": inventory(databases=["app"], databases_users=[{"name": "app"}]),
    "owner does not exist": inventory(databases=databases(owner="nobody")),
    "database twice": inventory(databases=databases() * 2),
    "database is PostgreSQL's": inventory(databases=[*databases(), {"name": "template1", "owner": "app"}]),
    "database is PgBouncer's": inventory(databases=[*databases(), {"name": "pgbouncer", "owner": "app"}]),
    "database name too long": inventory(databases=[*databases(), {"name": "d" * 64, "owner": "app"}]),
    "database name with a quote": inventory(databases=[*databases(), {"name": 'a"b', "owner": "app"}]),
    "database name too long in bytes": inventory(databases=[*databases(), {"name": "é" * 32, "owner": "app"}]),
    "encoding": inventory(databases=databases(encoding="LATIN1")),
    "schema is PostgreSQL's": inventory(databases=databases(schemas=[{"name": "pg_mine"}])),
    "schema twice": inventory(databases=databases(schemas=[{"name": "a"}, {"name": "a"}])),
    "schema's owner does not exist": inventory(databases=databases(schemas=[{"name": "a", "owner": "b"}])),
    "extension with a blank": inventory(databases=databases(extensions=["pg trgm"])),
    # Users
    "user twice": inventory(databases_users=[*users(grants=[]), {"name": "app"}]),
    "user without a name": inventory(databases_users=[{"name": "app"}, {"password": "x"}]),
    "user is the superuser": inventory(databases_users=[{"name": "app"}, {"name": "postgres"}]),
    "user is the tier's": inventory(databases_users=[{"name": "app"}, {"name": "replicator"}]),
    "user is PostgreSQL's": inventory(databases_users=[{"name": "app"}, {"name": "pg_app"}]),
    "user is a word of SQL": inventory(databases_users=[{"name": "app"}, {"name": "public"}]),
    "user name with a blank": inventory(databases_users=[{"name": "app"}, {"name": "my app"}]),
    "password is a number": inventory(
        databases_users=users(password=Unreadable("is a number and not text", "Quote it."))
    ),
    "superuser attribute": inventory(databases_users=users(attributes=["SUPERUSER"])),
    "grant in no database": inventory(databases_users=users(grants=[{"database": "ap", "privilege": "read"}])),
    "grant in no schema": inventory(
        databases_users=users(grants=[{"database": "app", "schema": "x", "privilege": "read"}])
    ),
    "grant of an unknown privilege": inventory(
        databases_users=users(grants=[{"database": "app", "privilege": "delete"}])
    ),
    "member of nobody": inventory(databases_users=users(member_of=["staff"])),
    "member of itself": inventory(databases_users=users(member_of=["web"])),
    "members of each other": inventory(
        databases_users=[{"name": "app", "member_of": ["web"]}, *users(member_of=["app"])[1:]]
    ),
    "limit below the pools": inventory(
        databases_users=users(connection_limit=10, grants=[{"database": "app", "privilege": "read"}])
    ),
    # The virtual address
    "virtual address with a prefix": inventory(keepalived_address="10.0.0.20/24"),
    "virtual address is a name": inventory(keepalived_address="db.example.com"),
    "virtual address on loopback": inventory(keepalived_address="127.0.0.1"),
    "virtual address of a host": inventory(keepalived_address="10.0.0.15"),
    "virtual address of another family": inventory(keepalived_address="2001:db8::20"),
    "virtual address and one proxy": inventory({**GROUPS, "proxy": ("proxy1",)}, keepalived_address="10.0.0.20"),
    "virtual address with an interface that has no name": inventory(
        keepalived_address="10.0.0.20", hosts={"proxy2": {"keepalived_interface": "eth 0"}}
    ),
    "virtual router out of range": inventory(keepalived_address="10.0.0.20", keepalived_router_id=256),
    # Parameters
    "parameter with its own variable": inventory(postgresql_parameters={"max_connections": 500}),
    "parameter that Patroni sets": inventory(postgresql_parameters={"listen_addresses": "*"}),
    "parameter in capitals": inventory(postgresql_parameters={"Work_Mem": "4MB"}),
    "parameter with a wrong unit": inventory(postgresql_parameters={"work_mem": "4M"}),
    "parameter is a list": inventory(postgresql_parameters={"search_path": ["a", "b"]}),
    "WAL kept without a limit": inventory(postgresql_parameters={"max_slot_wal_keep_size": -1}),
    "WAL of a member kept without a limit": inventory(
        hosts={"pg2": {"postgresql_member_parameters": {"max_slot_wal_keep_size": "-1"}}}
    ),
    "fsync off": inventory(postgresql_parameters={"fsync": False}),
    "passwords as md5": inventory(postgresql_parameters={"password_encryption": "md5"}),
    "commits that do not wait": inventory(postgresql_parameters={"synchronous_commit": "local"}),
    "library lost": inventory(postgresql_parameters={"shared_preload_libraries": "pg_cron"}),
    "too few WAL senders": inventory(postgresql_parameters={"max_wal_senders": 3}),
    "member's own connections": inventory(hosts={"pg1": {"postgresql_member_parameters": {"max_worker_processes": 4}}}),
    "kernel setting without a dot": inventory(system_sysctl={"swappiness": 1}),
    "kernel setting is a list": inventory(system_sysctl={"vm.swappiness": [1]}),
    "package with a version": inventory(system_packages=["htop=3.3"]),
    # Capacity
    "pools larger than max_connections": inventory(postgresql_max_connections=200),
    "pools on the last replica": inventory(
        haproxy_read_fallback=False, pgbouncer_endpoints={"replica": {"pool_size": 80}}
    ),
    "pools on the analytics replica": inventory(FOUR, ANALYTICS, pgbouncer_endpoints={"analytics": {"pool_size": 100}}),
    "reserved more than there are": inventory(postgresql_direct_connections=400),
    "more kept than the pool's size": inventory(pgbouncer_endpoints={"primary": {"min_pool_size": 30}}),
    "too many clients for open files": inventory(
        pgbouncer_endpoints={"primary": {"max_client_connections": 18000, "pool_size": 1000}},
        postgresql_max_connections=5000,
    ),
    "more processes than connections": inventory(pgbouncer_endpoints={"replica": {"pool_size": 4, "processes": 8}}),
    "HAProxy smaller than the pools": inventory(
        FOUR, ANALYTICS, haproxy_maxconn=100, pgbouncer_endpoints={"analytics": {"pool_size": 60}}
    ),
    "analytics endpoint without a replica": inventory(pgbouncer_endpoints={"analytics": {"port": 6500}}),
    "memory too small": inventory(hosts={"pg2": {"postgresql_memory_mb": 1024}}),
    "buffers too large": inventory(postgresql_memory_mb=4096, postgresql_parameters={"shared_buffers": "4GB"}),
    # Several at once, all are told
    "everything at once": inventory(
        {"etcd": ("pg1", "pg2"), "postgres": MEMBERS, "proxy": ()},
        {"pg3": {"ansible_host": "db3"}},
        postgresql_profile="fast",
        postgresql_port=8008,
        databases=databases(owner="nobody"),
        patroni_scop="x",
    ),
}
