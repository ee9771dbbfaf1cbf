"""What the tier's processes may do on their hosts, asked of the kernel, and who may read the tier's files."""

from __future__ import annotations

import re

import pytest
from tier import Tier

MEMBER_UNITS = ("etcd.service", "patroni.service", "pgtier-succession.service")
PROXY_UNITS = (
    "haproxy.service",
    "pgtier-primary-route.service",
    "pgbouncer@primary.service",
    "pgbouncer@primary_session.service",
    "pgbouncer@replica.service",
    "pgbouncer@replica_session.service",
    "pgbouncer@replica_session.2.service",
)
# Where the proxies have an address that moves. The mutations, on another scenario's hosts, have none.
ADDRESS_UNITS = ("pgtier-proxy-check.service", "pgtier-keepalived.service")
# HAProxy's master alone keeps some: chown, dac_override, kill, setgid, setuid, net_bind_service.
HAPROXY_CAPABILITIES = sum(1 << number for number in (0, 1, 5, 6, 7, 10))
# Who runs as root, with what it needs for that; keepalived net_admin and net_raw. All others have none.
ROOT = {"haproxy.service": HAPROXY_CAPABILITIES, "pgtier-keepalived.service": 1 << 12 | 1 << 13}

# Everything the tier writes, and who may read it: mode, owner, group. Certificates, units and programs are public.
FILES = {
    r"/etc/default/etcd(-bootstrap)?": "640 root root",
    r"/etc/(etcd|patroni|pgbouncer)/tls/host\.key": "600 {etcd,postgres} {etcd,postgres}",
    r"/etc/(etcd|patroni|pgbouncer)/tls/(host|ca)\.crt": "644 {etcd,postgres} {etcd,postgres}",
    r"/etc/patroni/config\.yml": "600 postgres postgres",
    r"/etc/patroni/succession\.json": "640 postgres postgres",
    r"/etc/haproxy/haproxy\.cfg": "640 root haproxy",
    r"/etc/pgbouncer/userlist\.txt": "600 postgres postgres",
    r"/etc/pgbouncer/(hba\.conf|endpoints/.+)": "640 postgres postgres",
    r"/etc/pgbouncer/route\.(json|resolv\.conf)": "640 root postgres",
    r"/etc/keepalived/pgtier\.conf": "640 root root",
    r"/etc/keepalived/proxy_check\.json": "640 root postgres",
    r"/etc/systemd/system/.+": "644 root root",
    r"/etc/pgtier/ca\.crt": "644 root root",
    r"/usr/local/lib/pgtier/postgres": "755 root root",
    r"/usr/local/lib/pgtier/.+\.py": "644 root root",
    r"/usr/local/lib/pgtier/.+\.pyc": "644 root root",
}
DIRECTORIES = {
    "/etc/etcd/tls": "700 etcd etcd",
    "/etc/patroni": "750 root postgres",
    "/etc/patroni/tls": "700 postgres postgres",
    "/etc/pgbouncer": "750 postgres postgres",
    "/etc/pgbouncer/endpoints": "750 postgres postgres",
    "/etc/pgbouncer/tls": "700 postgres postgres",
    "/var/lib/etcd/pgtier": "700 etcd etcd",
    "/var/lib/postgresql/17/main": "700 postgres postgres",
}


def units(tier: Tier) -> list[tuple[str, str]]:
    proxy_units = PROXY_UNITS + (ADDRESS_UNITS if tier.has_virtual_address else ())
    return [(name, unit) for name in tier.groups["postgres"] for unit in MEMBER_UNITS] + [
        (name, unit) for name in tier.groups["proxy"] for unit in proxy_units
    ]


def status(tier: Tier, name: str, process: str) -> dict[str, str]:
    """/proc/PID/status of a process, by name."""
    text = tier.host(name).check_output("cat /proc/%s/status", process)
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def main_process(tier: Tier, name: str, unit: str) -> str:
    process = tier.host(name).check_output("systemctl show --property MainPID --value %s", unit)
    assert int(process) > 0, f"{name} {unit}"
    return str(process)


def postmaster(tier: Tier, name: str) -> str:
    return str(tier.host(name).check_output("head -1 /var/lib/postgresql/17/main/postmaster.pid"))


def test_no_process_can_gain_privileges_or_call_what_it_has_no_use_for(tier: Tier) -> None:
    """Seccomp 2 is a filter. The bounding set is what a process, or one that it starts, could get by any means."""
    for name, unit in units(tier):
        found = status(tier, name, main_process(tier, name, unit))
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2"), f"{name} {unit}"
        assert int(found["CapBnd"], 16) == ROOT.get(unit, 0), f"{name} {unit}"
        if unit not in ROOT:
            assert "0" not in found["Uid"].split(), f"{name} {unit}"


def test_postgresql_lives_in_the_sandbox_of_patroni(tier: Tier) -> None:
    for name in tier.groups["postgres"]:
        found = status(tier, name, postmaster(tier, name))
        assert (found["NoNewPrivs"], found["Seccomp"], int(found["CapBnd"], 16)) == ("1", "2", 0), name
        # The rest of the host's users keep out of it too.
        assert found["Umask"] == "0077", name


def test_files_of_the_host_cannot_be_written_from_within(tier: Tier) -> None:
    """As root, but in the process's view of the file system. The first two are where any of them could do harm."""
    for name, unit in [*units(tier), *((name, "postmaster") for name in tier.groups["postgres"])]:
        process = postmaster(tier, name) if unit == "postmaster" else main_process(tier, name, unit)
        for path in ("/etc/pgtier-test", "/usr/pgtier-test"):
            done = tier.host(name).run("nsenter --target %s --mount touch %s", process, path)
            assert done.rc != 0 and "Read-only file system" in done.stderr, f"{name} {unit} {path}"
        homes = tier.host(name).run("nsenter --target %s --mount ls -A /home /root", process)
        assert "admin" not in homes.stdout and ".ssh" not in homes.stdout, f"{name} {unit}"


def test_postgresql_can_write_where_data_goes(tier: Tier) -> None:
    """Data, tablespaces and what archive_command reaches."""
    for name in tier.groups["postgres"]:
        process = postmaster(tier, name)
        for path in ("/var/lib/postgresql", "/run/postgresql", "/srv", "/mnt", "/tmp", "/dev/shm"):
            test = f"touch {path}/pgtier-test && rm {path}/pgtier-test"
            tier.host(name).check_output("nsenter --target %s --mount sh -c %s", process, test)


def test_a_query_can_be_compiled(tier: Tier) -> None:
    """Compiled code is in memory that is written and then executed, which the sandbox could forbid."""
    shown = tier.psql(
        tier.leader(),
        "SET jit_above_cost = 0; SET jit = on; "
        "EXPLAIN (ANALYZE, COSTS OFF) SELECT sum(g) FROM generate_series(1, 1000) g",
    )
    plan = "\n".join(line for (line, *_) in shown)
    available = tier.psql(tier.leader(), "SELECT pg_jit_available()") == [["t"]]
    assert ("JIT:" in plan) == available


@pytest.mark.parametrize("group", ["postgres", "proxy"])
def test_files_have_the_owners_and_modes_that_they_should(tier: Tier, group: str) -> None:
    for name in tier.groups[group]:
        found = tier.host(name).check_output(
            "find /etc/default/etcd* /etc/etcd /etc/patroni /etc/haproxy /etc/pgbouncer /etc/keepalived /etc/pgtier "
            "/usr/local/lib/pgtier /etc/systemd/system/*.service /etc/systemd/system/*.d "
            r"-type f -printf '%p|%m %u %g\n' 2>/dev/null; true"
        )
        rows = dict(line.split("|") for line in found.splitlines())
        assert len(rows) >= 8, name
        for path, mode in rows.items():
            wanted = next((mode for pattern, mode in FILES.items() if re.fullmatch(pattern, path)), None)
            if wanted is None:
                # A package's own.
                tier.host(name).check_output("dpkg --search %s", path)
                assert not int(mode.split()[0], 8) & 0o022, f"{name} {path} {mode}"
            else:
                assert mode in expanded(wanted), f"{name} {path} {mode}"


def test_directories_have_the_owners_and_modes_that_they_should(tier: Tier) -> None:
    for path, wanted in DIRECTORIES.items():
        group = "proxy" if "pgbouncer" in path else "postgres"
        for name in tier.groups[group]:
            assert tier.host(name).check_output("stat --format '%%a %%U %%G' %s", path) == wanted, f"{name} {path}"


def expanded(wanted: str) -> set[str]:
    """`600 {a,b} {a,b}` stands for one owner, who is the group as well."""
    braces = re.search(r"\{(.+?)\}", wanted)
    if not braces:
        return {wanted}
    return {re.sub(r"\{.+?\}", owner, wanted) for owner in braces[1].split(",")}


def test_patroni_and_etcd_come_before_postgresqls_backends(tier: Tier) -> None:
    """A primary whose cores are busy with statements has to renew its leader key all the same."""
    for name in tier.groups["postgres"]:
        host = tier.host(name)
        postmaster = host.check_output("head -n 1 /var/lib/postgresql/17/main/postmaster.pid")
        for unit in ("patroni", "etcd"):
            process = host.check_output(f"systemctl show -P MainPID {unit}")
            assert set(host.check_output(f"ps -L -o ni= -p {process}").split()) == {"-10"}, f"{name} {unit}"
        assert set(host.check_output(f"ps -o ni= -p {postmaster} --ppid {postmaster}").split()) == {"0"}, name
