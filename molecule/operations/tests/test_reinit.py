"""A replica is made from scratch while clients read."""

from __future__ import annotations

import load
from tier import Tier, wait_until

WHO = "SELECT host(inet_server_addr())"


def test_reinit_under_load_fails_nothing(tier: Tier) -> None:
    name = tier.replicas()[-1]
    witness = "/var/lib/postgresql/17/main/of-the-old-data"
    tier.host(name).check_output("touch %s", witness)
    with load.running(tier) as under_load:
        tier.playbook("playbooks/reinit.yml", "-e", f"member={name}", "-e", f"reinit_confirm={name}")
        assert tier.whole() and not tier.host(name).file(witness).exists
        address = tier.address(name)
        wait_until("it serves reads again", 30, lambda: any(tier.ask("replica", WHO) == address for _ in range(8)))
    print(under_load.report)
    assert load.problems(under_load.report) == []
