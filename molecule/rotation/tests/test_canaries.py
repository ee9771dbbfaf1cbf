"""Every secret that was made is searched for in all that was said, logged, run, or left open to all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from tier import Tier
from witness import Witness, hits

GIVEN = "given_later"


@pytest.fixture(scope="module")
def heard(tier: Tier, witness: Witness, artefacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Witness:
    """A run that makes a user whose password is given, as loud as it gets, beside the rotations' outputs."""
    password = secrets.token_hex(16)
    witness.secrets[password] = f"password of {GIVEN}"
    users = yaml.safe_load((tier.inventory / "group_vars/all.yml").read_text())["databases_users"]
    file = tmp_path_factory.mktemp("given") / "users.yml"
    file.touch(0o600)
    file.write_text(yaml.safe_dump({"databases_users": [*users, {"name": GIVEN, "password": password}]}))
    status, output = tier.attempt_playbook("site.yml", "-e", f"@{file}", "-vvv", "--diff")
    witness.heard("ansible, site", output)
    (artefacts / "site.log").write_text(output)
    assert status == 0, output[-5000:]
    assert f'CREATE ROLE "{GIVEN}"' in output, "it was not as loud as it should be"
    witness.note_secrets()
    return witness


@dataclass(frozen=True)
class Plant:
    secret: str
    hidden: str
    host: str


@pytest.fixture(scope="module")
def plant(tier: Tier, heard: Witness) -> Iterator[Plant]:
    """A secret in each of the places that are searched, and one where nobody may read it."""
    planted = Plant(secrets.token_hex(16), secrets.token_hex(16), tier.groups["postgres"][0])
    lines = [
        f"umask 022; echo {planted.secret} > /etc/planted; umask 077; echo {planted.hidden} > /etc/hidden",
        f"logger -t planted {planted.secret}",
        f"bash -c 'exec -a {planted.secret} sleep 60' > /dev/null 2>&1 & echo $! > /run/planted.pid; sleep 1",
    ]
    tier.feed(planted.host, "sh -s", "\n".join(lines))
    heard.heard("planted", f"said: {planted.secret}")
    yield planted
    tier.feed(planted.host, "kill $(cat /run/planted.pid); rm /run/planted.pid /etc/planted /etc/hidden", "")


@pytest.fixture(scope="module")
def processes(heard: Witness, plant: Plant) -> dict[str, str]:
    return heard.processes()


@pytest.fixture(scope="module")
def logs(heard: Witness, plant: Plant) -> dict[str, str]:
    return heard.logs()


def others(witness: Witness, plant: Plant) -> dict[str, str]:
    assert plant.secret not in witness.secrets
    assert len(witness.secrets) > 20
    return witness.secrets


def test_the_search_knows_old_and_new_secrets(tier: Tier, heard: Witness) -> None:
    """Of the rotations: passwords and keys of before and after."""
    names = list(heard.secrets.values())
    assert names.count("password of replicator") == 2
    assert names.count("password of app_web") == 2
    assert {"line 1 of tls/ca.key", "line 1 of tls/next.key"} <= set(names)
    assert names.count("line 1 of tls/hosts/pg1.key") == 3


def test_ansible_says_no_secret(heard: Witness, plant: Plant) -> None:
    assert len(heard.outputs) >= 6 and min(len(o) for w, o in heard.outputs.items() if w != "planted") > 10_000
    assert hits(heard.outputs, {plant.secret: "plant"}) == ["plant in planted"]
    assert hits(heard.outputs, others(heard, plant)) == []


def test_nothing_logs_a_secret(heard: Witness, plant: Plant, logs: dict[str, str]) -> None:
    assert hits(logs, {plant.secret: "plant"}) == [f"plant in logs of {plant.host}"]
    assert hits(logs, others(heard, plant)) == []


def test_no_process_shows_a_secret(heard: Witness, plant: Plant, processes: dict[str, str]) -> None:
    assert hits(processes, {plant.secret: "plant"}) == [f"plant in process list of {plant.host}"]
    assert hits(processes, others(heard, plant)) == []


def test_no_file_that_is_open_to_all_holds_a_secret(heard: Witness, plant: Plant) -> None:
    assert heard.open_files([plant.secret, plant.hidden]) == [f"{plant.host}:/etc/planted"]
    assert heard.open_files(others(heard, plant)) == []
