"""A lab from nothing to nothing, with real hosts: what the unit tests cannot see. Needs root.

The tests of this file build on one another: they tell one lab's life, in order.
"""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import network as networks
from ansible_collections.pgtier.cluster.plugins.module_utils.lab import wires
from ansible_collections.pgtier.cluster.plugins.module_utils.lab.lifecycle import Lab

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTS = [{"name": "one", "index": 1}, {"name": "two", "index": 2}]
NAMES = ("pgtier-test-a", "pgtier-test-b")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a lab needs root")


def role_packages() -> list[str]:
    return list(yaml.safe_load((REPOSITORY / "roles/lab/defaults/main.yml").read_text())["lab_packages"])


def state_directory(name: str) -> Path:
    return Path(networks.state_directory(dict(os.environ), name))


def lab(name: str = NAMES[0]) -> Lab:
    return Lab(networks.network(name), state_directory(name), Path("/nonexistent"), 0)


def module(which: str, check: bool = False, name: str = NAMES[0], **arguments: Any) -> dict[str, Any]:
    """Run one of the modules as Ansible does, and return its result."""
    arguments |= {"name": name, "state_directory": str(state_directory(name))}
    command = [str(Path(sys.executable).parent / "ansible"), "localhost", "-i", "localhost,", "-c", "local"]
    command += ["-m", f"pgtier.cluster.{which}", "-a", json.dumps(arguments), *(["--check", "--diff"] if check else [])]
    with tempfile.TemporaryDirectory() as results:
        environment = {**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
        command += ["--tree", results]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        # Ansible keeps the diff out of the result that it stores.
        return {**json.loads((Path(results) / "localhost").read_text()), "shown": done.stdout}


def up(check: bool = False, name: str = NAMES[0], hosts: list[dict[str, Any]] = HOSTS, **more: Any) -> dict[str, Any]:
    cache = networks.cache_directory(dict(os.environ))
    return module("lab", check, name, hosts=hosts, cache_directory=cache, packages=role_packages(), **more)


def down(check: bool = False, name: str = NAMES[0], **more: Any) -> dict[str, Any]:
    return module("lab", check, name, state="absent", cache_directory="/nonexistent", **more)


def fault(which: str, host: str = "one", check: bool = False, **more: Any) -> dict[str, Any]:
    return module("lab_fault", check, host=host, fault=which, **more)


def ssh(host: str, *command: str, name: str = NAMES[0]) -> subprocess.CompletedProcess[str]:
    keys = state_directory(name) / "ssh"
    options = [
        f"UserKnownHostsFile={keys}/known_hosts",
        "StrictHostKeyChecking=yes",
        "BatchMode=yes",
        "ConnectTimeout=3",
    ]
    argv = ["ssh", "-i", str(keys / "id_ed25519"), *(word for option in options for word in ("-o", option))]
    address = lab(name).host(host).address
    return subprocess.run([*argv, f"admin@{address}", *command], capture_output=True, text=True, timeout=20)


def reaches(source: str, target: str, name: str = NAMES[0]) -> bool:
    """Whether sshd of one host greets another: a ping would be answered by the kernel of a frozen host."""
    greet = f"import socket; s = socket.create_connection((\\'{target}\\', 22), 2); assert s.recv(4) == b\\'SSH-\\'"
    return ssh(source, f"python3 -c $'{greet}'", name=name).returncode == 0


def traces(name: str) -> list[str]:
    """Everything on this machine that carries the lab's tag or name."""
    net = networks.network(name)
    found = [f"interface {path.name}" for path in Path("/sys/class/net").iterdir() if net.tag in path.name]
    found += [
        line for line in subprocess.check_output(["nft", "list", "tables"], text=True).splitlines() if net.tag in line
    ]
    found += [f"group {path}" for path in Path("/sys/fs/cgroup").rglob(f"*{net.tag}*")]
    found += [f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines() if f"/{name}/" in line]
    found += [f"lock {path}" for path in Path("/run/lock").glob(f"*{net.tag}*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if f"--machine={net.tag}" in command or f"/labs/{name}/" in command:
            found.append(f"process {process.name} {command!r}")
    if state_directory(name).exists():
        found.append(f"directory {state_directory(name)}")
    return found


@pytest.fixture(scope="module", autouse=True)
def clean() -> Iterator[None]:
    for name in NAMES:
        down(name=name)
    yield
    for name in NAMES:
        down(name=name)
        assert traces(name) == []
    if not list(Path("/sys/class/net").glob(f"{networks.BRIDGE_PREFIX}*")):
        assert not wires.FORWARD_MARK.exists(), "the last lab to go has to switch forwarding off again"


def test_check_mode_promises_and_does_nothing() -> None:
    result = up(check=True)
    assert result["changed"]
    assert {"prepare one", "start one", "start two", "make bridge"} <= set(result["steps"])
    assert "+host one: running" in result["shown"]
    assert traces(NAMES[0]) == []


def test_up() -> None:
    assert up()["changed"]
    for host in ("one", "two"):
        assert ssh(host, "hostname").stdout.strip() == host
        assert ssh(host, "sudo", "--non-interactive", "id", "--user").stdout.strip() == "0"
    assert reaches("one", "two")
    identities = {ssh(host, "cat", "/etc/machine-id").stdout for host in ("one", "two")}
    assert len(identities) == 2


def test_up_reaches_running_and_has_packages_ready() -> None:
    assert ssh("one", "systemctl", "is-system-running", "--wait").stdout.strip() == "running"
    assert ssh("one", "ls /var/cache/apt/archives/patroni_*.deb").returncode == 0
    assert ssh("one", "dpkg -s patroni").returncode != 0


def test_second_up_changes_nothing() -> None:
    for check in (True, False):
        result = up(check=check)
        assert not result["changed"], result["steps"]


def test_host_joins_a_running_lab() -> None:
    result = up(hosts=[*HOSTS, {"name": "three", "index": 3}])
    assert [step for step in result["steps"] if "three" not in step] == []
    assert reaches("one", "three")
    assert down(hosts=[{"name": "three", "index": 3}])["steps"] == ["remove three"]
    assert not reaches("one", "three")
    assert ssh("one", "true").returncode == 0


@pytest.mark.parametrize(
    ("which", "mended"),
    [
        ("frozen", "thawed"),
        ("cut_off", "healed"),
        ("killed", "started"),
        ("stopped", "started"),
    ],
)
def test_fault_that_silences(which: str, mended: str) -> None:
    assert fault(which, check=True)["changed"]
    assert lab().host("one").answers()
    assert fault(which)["changed"]
    assert not lab().host("one").answers()
    assert not reaches("two", "one")
    assert not fault(which)["changed"]
    assert fault(mended)["changed"]
    assert lab().host("one").answers()
    assert reaches("two", "one")
    assert not fault(mended)["changed"]


def test_partition_between_two_leaves_the_rest() -> None:
    up(hosts=[*HOSTS, {"name": "three", "index": 3}])
    assert fault("cut_off", others=["two"])["changed"]
    assert not reaches("one", "two")
    assert not reaches("two", "one")
    assert reaches("one", "three")
    assert not fault("cut_off", others=["two"])["changed"]
    assert fault("healed", others=["two"])["changed"]
    assert reaches("one", "two")


def test_slowed_host_gets_its_share_only() -> None:
    burn = "python3 -c 'import time\nwhile time.process_time() < 0.3: pass\nprint(time.perf_counter())'"
    timed = (
        f"python3 -c 'import time; print(time.monotonic())'; {burn}; python3 -c 'import time; print(time.monotonic())'"
    )

    def seconds() -> float:
        lines = ssh("one", timed).stdout.split()
        return float(lines[-1]) - float(lines[0])

    assert fault("slowed", cpu_percent=10)["changed"]
    assert not fault("slowed", cpu_percent=10)["changed"]
    # 0.3 s of work at a tenth of a core.
    assert seconds() > 2
    assert fault("unslowed")["changed"]
    assert lab().group("one").cpu_percent is None


def test_up_ends_every_fault() -> None:
    fault("frozen", "one")
    fault("cut_off", "two")
    fault("slowed", "three", cpu_percent=20)
    result = up(hosts=[*HOSTS, {"name": "three", "index": 3}])
    assert sorted(result["steps"]) == ["heal two", "thaw one", "unlimit three"]
    assert reaches("one", "two")


def test_up_repairs_a_dead_host() -> None:
    lab().group("one").kill()
    ssh("two", "echo kept | sudo tee /root/kept")
    assert up()["steps"] == ["start one"]
    assert reaches("two", "one")
    assert ssh("two", "sudo", "cat", "/root/kept").stdout.strip() == "kept"


def test_up_repairs_bridge_rules_and_forwarding() -> None:
    net = lab().net
    subprocess.run(["ip", "link", "delete", net.bridge], check=True)
    subprocess.run(["nft", "delete", "table", "bridge", net.table], check=True)
    result = up()
    assert {"make bridge", "write rules", "attach one", "attach two"} <= set(result["steps"])
    assert not [step for step in result["steps"] if step.startswith("start")]
    assert reaches("one", "two")
    assert not up()["changed"]


def test_up_repairs_a_half_made_host() -> None:
    one = lab()
    one.group("one").kill()
    (one.state / "hosts/one/host.json").unlink()
    assert {"prepare one", "start one"} <= set(up()["steps"])
    assert ssh("one", "true").returncode == 0


def test_up_after_a_reboot() -> None:
    """A reboot leaves the directories and nothing else."""
    one = lab()
    for host in one.known_hosts_of_lab():
        one.group(host).kill()
    subprocess.run(["ip", "link", "delete", one.net.bridge], check=True)
    for family in ("ip", "bridge"):
        subprocess.run(["nft", "delete", "table", family, one.net.table], check=True)
    began = time.monotonic()
    up()
    assert time.monotonic() - began < 30
    assert ssh("two", "sudo", "cat", "/root/kept").stdout.strip() == "kept"


def test_two_labs_side_by_side() -> None:
    up(name=NAMES[1])
    assert ssh("one", "hostname", name=NAMES[1]).stdout.strip() == "one"
    assert lab(NAMES[0]).net.subnet != lab(NAMES[1]).net.subnet
    assert down(name=NAMES[1])["changed"]
    assert traces(NAMES[1]) == []
    assert reaches("one", "two")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"hosts": [{"name": "one", "index": 7}]}, "cannot get 7"),
        ({"hosts": [{"name": "four", "index": 1}]}, "index 1 belongs to 'one' too"),
        ({"hosts": [{"name": "Four", "index": 0}]}, "lower-case"),
        ({"name": "pgtier-test-c", "subnet": str(networks.network(NAMES[0]).subnet)}, "overlaps with"),
        (
            {"name": "pgtier-test-c", "hosts": [{"name": f"h{i}", "index": i} for i in range(1, 201)]},
            "memory: 200 more hosts",
        ),
    ],
)
def test_refusals(arguments: dict[str, Any], expected: str) -> None:
    result = up(**arguments)
    assert expected in result.get("msg", ""), result
    assert traces("pgtier-test-c") == []


def test_down_promises_then_leaves_nothing() -> None:
    assert down(check=True)["steps"][-1] == "remove lab"
    assert ssh("one", "true").returncode == 0
    assert down()["changed"]
    assert traces(NAMES[0]) == []
    assert not down()["changed"]
