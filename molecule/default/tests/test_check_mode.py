"""`--check --diff` on a running cluster predicts what a run would change: nothing, or what was tampered with."""

from __future__ import annotations

from tier import Tier

PREDICT = ("site.yml", "--check", "--diff")
FILE = "/etc/haproxy/haproxy.cfg"


def changed(recap: dict[str, dict[str, int]]) -> dict[str, int]:
    return {host: numbers["changed"] for host, numbers in recap.items() if numbers["changed"]}


def test_no_change_is_predicted_after_a_run(tier: Tier) -> None:
    recap = tier.playbook(*PREDICT)
    assert set(recap) >= {*tier.groups["postgres"], *tier.groups["proxy"]}
    assert changed(recap) == {}


def test_a_file_that_was_tampered_with_is_predicted_and_left_alone(tier: Tier) -> None:
    name = tier.groups["proxy"][0]
    host = tier.host(name)
    host.check_output("cp -a %s /root/as-it-was && echo '# tampered' >> %s", FILE, FILE)
    tampered = host.file(FILE).content_string
    try:
        recap = tier.playbook(*PREDICT)
        assert set(changed(recap)) == {name}
        assert host.file(FILE).content_string == tampered
    finally:
        host.check_output("mv /root/as-it-was %s", FILE)
