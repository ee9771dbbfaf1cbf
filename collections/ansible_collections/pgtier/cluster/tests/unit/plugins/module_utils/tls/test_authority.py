# SPDX-License-Identifier: Apache-2.0
"""The CA's replacement, stage by stage, and interrupted between any two files of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from ansible_collections.pgtier.cluster.plugins.module_utils.tls import pki
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.authority import stage as stage_of
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.folder import Draft
from ansible_collections.pgtier.cluster.plugins.module_utils.tls.request import CertificatesError

from .authorities import HOSTS, after, certify, run


@pytest.fixture(scope="module")
def stages() -> dict[str, dict[str, str]]:
    """The folder at each stage of one rotation."""
    none = run({})
    begun = run(none, ca_rotation="begin")
    switched = run(begun, ca_rotation="switch")
    return {"none": none, "begun": begun, "switched": switched, "finished": run(switched, ca_rotation="finish")}


def trusts(bundle: str, leaf: str) -> bool:
    (certificate,) = pki.load_certificates(leaf, "leaf")
    return pki.path(certificate, [], pki.load_certificates(bundle, "bundle")) is not None


def test_begin_adds_trust_and_changes_no_leaf(stages: dict[str, dict[str, str]]) -> None:
    none, begun = stages["none"], stages["begun"]
    assert set(begun) - set(none) == {"next.key", "next.crt"}
    assert begun["trusted.crt"] == none["ca.crt"] + begun["next.crt"]
    assert {name: begun[name] for name in none if name != "trusted.crt"} == {
        name: none[name] for name in none if name != "trusted.crt"
    }


def test_switch_issues_all_leaves_by_the_new_ca(stages: dict[str, dict[str, str]]) -> None:
    begun, switched = stages["begun"], stages["switched"]
    assert set(switched) - set(begun) == {"previous.crt"} and set(begun) - set(switched) == {"next.key", "next.crt"}
    assert (switched["ca.crt"], switched["ca.key"]) == (begun["next.crt"], begun["next.key"])
    assert switched["previous.crt"] == begun["ca.crt"]
    assert switched["trusted.crt"] == switched["ca.crt"] + switched["previous.crt"]
    outcome = certify(begun, ca_rotation="switch")
    assert outcome.result["issued"] == [{"host": h, "reason": "it is signed by another CA"} for h in HOSTS]
    assert outcome.result["stage"] == "switched"


def test_finish_ends_the_old_trust(stages: dict[str, dict[str, str]]) -> None:
    switched, finished = stages["switched"], stages["finished"]
    assert finished["trusted.crt"] == finished["ca.crt"] == switched["ca.crt"]
    assert set(finished) == set(stages["none"])
    assert not trusts(finished["trusted.crt"], stages["begun"]["hosts/pg1.crt"])


def test_neighbouring_stages_trust_each_other(stages: dict[str, dict[str, str]]) -> None:
    order = [stages[name] for name in ("none", "begun", "switched", "finished")]
    for left, right in pairwise(order):
        assert trusts(left["trusted.crt"], right["hosts/pg1.crt"])
        assert trusts(right["trusted.crt"], left["hosts/pg1.crt"])
    assert not trusts(stages["none"]["trusted.crt"], stages["switched"]["hosts/pg1.crt"])


@pytest.mark.parametrize(
    ("stage", "rotation"),
    [
        ("none", "none"),
        ("none", "finish"),  # it may have been finished by an earlier run: the folder does not tell
        ("begun", "none"),
        ("begun", "begin"),
        ("switched", "none"),
        ("switched", "begin"),
        ("switched", "switch"),
        ("finished", "none"),
        ("finished", "finish"),
    ],
)
def test_what_already_happened_changes_nothing(stages: dict[str, dict[str, str]], stage: str, rotation: str) -> None:
    outcome = certify(stages[stage], ca_rotation=rotation)
    assert outcome.steps == [] and outcome.result["issued"] == []
    assert outcome.result["stage"] == ("none" if stage == "finished" else stage)
    assert outcome.result["trusted"] == stages[stage]["trusted.crt"]


@pytest.mark.parametrize(
    ("stage", "rotation", "text"),
    [
        ("none", "switch", "no next CA"),
        ("finished", "switch", "no next CA"),
        ("begun", "finish", "has not signed anything yet"),
    ],
)
def test_what_comes_too_early_is_refused(
    stages: dict[str, dict[str, str]], stage: str, rotation: str, text: str
) -> None:
    with pytest.raises(CertificatesError, match=text):
        certify(stages[stage], ca_rotation=rotation)


@pytest.mark.parametrize("rotation", ["begin", "switch", "finish"])
def test_there_is_no_first_ca_to_replace(rotation: str) -> None:
    with pytest.raises(CertificatesError, match="Run site"):
        certify({}, ca_rotation=rotation)


@pytest.mark.parametrize(
    ("before", "rotation", "end"),
    [("none", "begin", "begun"), ("begun", "switch", "switched"), ("switched", "finish", "finished")],
)
@pytest.mark.parametrize("meanwhile", ["none", "again"])
def test_an_interruption_at_any_point(
    stages: dict[str, dict[str, str]], before: str, rotation: str, end: str, meanwhile: str
) -> None:
    """After any number of steps: an ordinary run leaves a sound folder, and the stage asked for again is reached."""
    outcome = certify(stages[before], ca_rotation=rotation)
    assert len(outcome.steps) >= 2
    for steps in range(len(outcome.steps) + 1):
        broken = after(stages[before], outcome, steps)
        if meanwhile == "none":
            ordinary = certify(broken)
            broken = after(broken, ordinary)
            assert certify(broken).steps == []
            bundle = pki.load_certificates(broken["trusted.crt"], "bundle")
            assert len(set(bundle)) == len(bundle)
            assert ordinary.result["stage"] in (before, "none" if end == "finished" else end)
            if ordinary.result["stage"] == before:
                assert ordinary.result["issued"] == [], "a stage that was not reached issues nothing"
            for old in ("hosts/pg1.crt", "hosts/proxy1.crt"):
                assert trusts(broken["trusted.crt"], broken[old])
                assert trusts(stages[before]["trusted.crt"], broken[old]), "hosts not yet reached trust it too"
        files = run(broken, ca_rotation=rotation)
        assert set(files) == set(stages[end])
        assert certify(files).result["stage"] == ("none" if end == "finished" else end)
        assert certify(files).steps == []
        assert len(pki.load_certificates(files["trusted.crt"], "x")) == (1 if end == "finished" else 2)
        if rotation != "begin":
            assert files["trusted.crt"] == stages[end]["trusted.crt"]


def test_a_switch_is_decided_by_one_file(stages: dict[str, dict[str, str]]) -> None:
    outcome = certify(stages["begun"], ca_rotation="switch")
    decided = [name for name, _text in outcome.steps].index("ca.crt") + 1
    for steps in range(len(outcome.steps) + 1):
        reached = stage_of(Draft(after(stages["begun"], outcome, steps)))
        assert reached == ("begun" if steps < decided else "switched")


def test_the_old_ca_stays_while_a_leaf_of_it_is_left(stages: dict[str, dict[str, str]]) -> None:
    outcome = certify(stages["begun"], ca_rotation="switch")
    # The last two steps are the key and the certificate of the last host.
    broken = after(stages["begun"], outcome, len(outcome.steps) - 2)
    with pytest.raises(CertificatesError, match=r"while proxy1 may use certificates signed by it\. .*`switch` again"):
        certify(broken, ca_rotation="finish")


def test_a_host_that_joins_during_a_rotation(stages: dict[str, dict[str, str]]) -> None:
    hosts = {**HOSTS, "pg2": {"names": ["pg2"]}}
    for stage in ("begun", "switched"):
        outcome = certify(stages[stage], hosts=hosts)
        assert [name for name, _text in outcome.steps] == ["hosts/pg2.key", "hosts/pg2.crt"]
        assert pki.issued_by(
            pki.load_certificates(outcome.result["hosts"]["pg2"]["certificate"], "x")[0],
            pki.load_certificates(stages[stage]["ca.crt"], "x")[0],
        )


def test_the_expiry_of_all_that_is_trusted_is_told(stages: dict[str, dict[str, str]]) -> None:
    for stage, kinds in (("begun", ["CA", "next"]), ("switched", ["CA", "previous"]), ("finished", ["CA"])):
        rows = certify(stages[stage]).result["expiry"]
        assert [row["what"].split()[0] for row in rows if not row["what"].startswith("host")] == kinds


@pytest.mark.parametrize(
    ("damage", "text"),
    [({"next.key": "x"}, "next.key is no private key"), ({"next.crt": "x"}, "next.crt is no certificate")],
)
def test_a_damaged_next_ca_is_not_switched_to(
    stages: dict[str, dict[str, str]], damage: dict[str, str], text: str
) -> None:
    with pytest.raises(CertificatesError, match=text):
        certify({**stages["begun"], **damage}, ca_rotation="switch")


@pytest.mark.parametrize(("stage", "name"), [("begun", "next.crt"), ("switched", "previous.crt")])
def test_a_damaged_trusted_ca_is_refused(stages: dict[str, dict[str, str]], stage: str, name: str) -> None:
    with pytest.raises(CertificatesError, match=f"{name} is no certificate.*restore the file"):
        certify({**stages[stage], name: "x"})
