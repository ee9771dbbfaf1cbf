"""A running tier as a scenario's tests see it: hosts by ssh, members by Patroni, endpoints by psycopg."""

from __future__ import annotations

import json
import os
import re
import shlex
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import testinfra  # type: ignore[import-untyped]
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from testinfra.host import Host  # type: ignore[import-untyped]

TOP = Path(__file__).parents[2]
RESTAPI_PORT = 8008


def wait_until(what: str, seconds: float, condition: Callable[[], Any], pause: float = 0.2) -> Any:
    """Ask until the answer is true and return it; an answer that cannot be had yet is no answer."""
    deadline = time.monotonic() + seconds
    while True:
        last: Any = None
        try:
            last = condition()
        except (OSError, psycopg.Error, AssertionError, ValueError) as error:
            last = error
        else:
            if last:
                return last
        if time.monotonic() > deadline:
            raise AssertionError(
                f"waited {seconds:g} s for this and it did not come: {what}; the last answer: {last!r}"
            )
        time.sleep(pause)


def join(threads: Sequence[threading.Thread]) -> None:
    """Wait for threads that were told to end; one that hangs is a client that hangs, which is a failure."""
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    assert not any(thread.is_alive() for thread in threads), "a client hangs"


@dataclass(frozen=True)
class Member:
    """A row of Patroni's view of the cluster. `lag` is in bytes, None while unknown."""

    name: str
    role: str
    state: str
    timeline: int
    lag: int | None


class Tier:
    def __init__(
        self, inventory: Path, database: str = "app", user: str = "app", beside: Sequence[str] = ("hosts.yml",)
    ) -> None:
        """`beside` are the files of the inventory that together list its hosts."""
        self.inventory = inventory
        self.files = [str(inventory / name) for name in beside]
        self.database = database
        self.user = user
        self._hosts: dict[str, Host] = {}

    # The inventory

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        listing = json.loads(self._ansible("ansible-inventory", "--list"))
        return {group: listing[group]["hosts"] for group in ("postgres", "etcd", "proxy")}

    @cached_property
    def _reached(self) -> dict[str, dict[str, str]]:
        """How each host is reached. Asked of Ansible, for an inventory's values may be templates."""
        wanted = "{'address': ansible_host, 'user': ansible_user, 'key': ansible_ssh_private_key_file, "
        wanted += "'arguments': ansible_ssh_common_args}"
        output = self._ansible("ansible", "all", "-m", "ansible.builtin.debug", "-a", "msg={{ " + wanted + " }}")
        answers = re.findall(r"^(\S+) \| SUCCESS => (\{.*?^\})", output, re.MULTILINE | re.DOTALL)
        return {name: json.loads(text)["msg"] for name, text in answers}

    def _run_ansible(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0"}
        # Of this Python's own environment, whether or not that is on PATH.
        command = [str(Path(sys.executable).with_name(program)), *arguments]
        command += [argument for path in self.files for argument in ("-i", path)]
        return subprocess.run(command, cwd=TOP, env=env, capture_output=True, text=True, check=False)

    def _ansible(self, program: str, *arguments: str, fails: bool = False) -> str:
        done = self._run_ansible(program, *arguments)
        output = f"{done.stdout}{done.stderr}"
        assert (done.returncode != 0) == fails, f"{program} {'did not fail' if fails else 'failed'}: {output}"
        return done.stdout

    def attempt_playbook(self, *arguments: str) -> tuple[int, str]:
        """Run a playbook that may fail, and return its exit status and all that it said."""
        done = self._run_ansible("ansible-playbook", *arguments)
        return done.returncode, done.stdout + done.stderr

    def playbook(self, *arguments: str) -> dict[str, dict[str, int]]:
        """Run a playbook and return each host's numbers of the recap: {host: {ok: …, changed: …}}."""
        output = self._ansible("ansible-playbook", *arguments)
        recap = output.rpartition("PLAY RECAP")[2]
        return {
            row[1]: {key: int(number) for key, number in re.findall(r"(\w+)=(\d+)", row[2])}
            for row in re.finditer(r"^(\S+)\s+: (ok=.*)$", recap, re.MULTILINE)
        }

    def output(self, *arguments: str) -> str:
        """Run a playbook; all that it says."""
        return self._ansible("ansible-playbook", *arguments)

    def refusal(self, *arguments: str) -> str:
        """Run a playbook that has to fail; all that it says."""
        return self._ansible("ansible-playbook", *arguments, fails=True)

    def unchanged(self, *arguments: str) -> None:
        """Run a playbook that has to change nothing."""
        recap = self.playbook(*arguments)
        assert {host: numbers["changed"] for host, numbers in recap.items() if numbers["changed"]} == {}

    # The hosts

    def host(self, name: str) -> Host:
        """A host by ssh, as root, over one connection that stays open (testinfra adds ControlMaster)."""
        if name not in self._hosts:
            reached = self._reached[name]
            self._hosts[name] = testinfra.get_host(
                f"ssh://{reached['user']}@{reached['address']}",
                ssh_identity_file=reached["key"],
                ssh_extra_args=reached["arguments"],
                sudo=True,
            )
        return self._hosts[name]

    def ssh(self, name: str, command: str) -> list[str]:
        """The program, with its arguments, that runs a command as a host's root."""
        reached = self._reached[name]
        where = f"{reached['user']}@{reached['address']}"
        return [
            "ssh",
            "-i",
            reached["key"],
            *shlex.split(reached["arguments"]),
            where,
            f"sudo sh -c {shlex.quote(command)}",
        ]

    def feed(self, name: str, command: str, text: str) -> str:
        """What a command says that a host's root runs, given `text` to read, which no process list shows."""
        done = subprocess.run(
            self.ssh(name, command),
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        assert done.returncode == 0, f"{name}, {command}: {done.stdout}{done.stderr}"
        return done.stdout

    def address(self, name: str) -> str:
        return self._reached[name]["address"]

    def psql(self, name: str, statement: str, database: str = "postgres") -> list[list[str]]:
        """Rows of a statement that the superuser runs on a host itself, the only place where that is possible."""
        done = self.host(name).run(
            "cd /; sudo -u postgres psql --no-psqlrc -v ON_ERROR_STOP=1 -qAtF '|' -d %s -c %s", database, statement
        )
        if done.rc != 0:
            raise psycopg.DatabaseError(f"{name}: {done.stderr.strip()}")
        return [line.split("|") for line in done.stdout.splitlines()]

    def wait_for_rows(self, name: str, statement: str, rows: list[list[str]]) -> None:
        """Until a statement has these rows on a host: a replica applies what was committed a moment later."""
        wait_until(f"{name} answers {statement!r} as expected", 10, lambda: self.psql(name, statement, "app") == rows)

    # Patroni

    def cluster(self, name: str) -> list[dict[str, Any]]:
        """The members by the word of one of them."""
        address = f"https://{self.address(name)}:{RESTAPI_PORT}/cluster"
        with urllib.request.urlopen(address, timeout=2, context=self.trusting) as answer:
            return list(json.load(answer)["members"])

    def members(self) -> dict[str, Member]:
        for name in self.groups["postgres"]:
            try:
                rows = self.cluster(name)
                break
            except (urllib.error.URLError, OSError):
                continue
        else:
            raise AssertionError("no Patroni answers")
        return {
            row["name"]: Member(
                row["name"],
                row["role"],
                row["state"],
                row.get("timeline", 0),
                row["lag"] if isinstance(row.get("lag"), int) else None,
            )
            for row in rows
        }

    def status(self, name: str) -> dict[str, Any]:
        """What a member's Patroni says of itself."""
        address = f"https://{self.address(name)}:{RESTAPI_PORT}/patroni"
        with urllib.request.urlopen(address, timeout=2, context=self.trusting) as answer:
            return dict(json.load(answer))

    def leader(self) -> str:
        leaders = [member.name for member in self.members().values() if member.role == "leader"]
        assert len(leaders) == 1, f"leaders: {leaders}"
        return leaders[0]

    def replicas(self) -> list[str]:
        return sorted(set(self.groups["postgres"]) - {self.leader()})

    def whole(self) -> bool:
        """Every member is there: one leader that runs; the others stream on its timeline, are close to it, and vouch
        for its commits. Until Patroni counts them in, a crash of the leader is mended in place, without a failover.
        """
        members = self.members().values()
        (leader,) = (member for member in members if member.role == "leader")
        others = [member for member in members if member is not leader]
        return (
            len(members) == len(self.groups["postgres"])
            and leader.state == "running"
            and all(
                m.role == "quorum_standby" and m.state == "streaming" and m.timeline == leader.timeline and m.lag == 0
                for m in others
            )
        )

    def streaming(self) -> bool:
        """The members that the inventory lists are there, no other, and all replicas stream."""
        members = self.members()
        return members.keys() == set(self.groups["postgres"]) and all(
            member.state == ("running" if member.role == "leader" else "streaming") for member in members.values()
        )

    # The endpoints

    @property
    def ca_file(self) -> Path:
        """Whom clients trust, as handed out to them."""
        return self.inventory / "secrets/ca.crt"

    @property
    def trusting(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    @cached_property
    def connections(self) -> dict[str, dict[str, dict[str, str]]]:
        loaded: dict[str, dict[str, dict[str, str]]] = json.loads(
            (self.inventory / "secrets/connections.json").read_text()
        )
        return loaded

    @property
    def has_virtual_address(self) -> bool:
        """Whether clients are told of one address more than there are proxies."""
        told = conninfo_to_dict(self.connections[self.database][self.user]["primary"])
        return len(str(told["host"]).split(",")) > len(self.groups["proxy"])

    def conninfo(self, endpoint: str, *, user: str | None = None, proxy: int | None = None, **other: Any) -> str:
        """Where to connect: as connections.json says, or through one proxy only, or with settings changed."""
        settings: dict[str, Any] = dict(conninfo_to_dict(self.connections[self.database][user or self.user][endpoint]))
        hosts, ports = str(settings["host"]).split(","), str(settings["port"]).split(",")
        if proxy is not None:
            # A virtual address comes before those of the proxies.
            at = proxy - len(self.groups["proxy"])
            settings["host"], settings["port"] = hosts[at], ports[at if len(ports) > 1 else 0]
            if "hostaddr" in settings:
                settings["hostaddr"] = str(settings["hostaddr"]).split(",")[at]
        return make_conninfo(**{"connect_timeout": 10, **settings, **other})

    def connect(self, endpoint: str, **settings: Any) -> psycopg.Connection[Any]:
        return psycopg.connect(self.conninfo(endpoint, **settings), autocommit=True)

    def ask(self, endpoint: str, statement: str, **settings: Any) -> Any:
        """The first column of the first row, over a connection of its own."""
        with self.connect(endpoint, **settings) as connection:
            row = connection.execute(statement).fetchone()
            return None if row is None else row[0]
