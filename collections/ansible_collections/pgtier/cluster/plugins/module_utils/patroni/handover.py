"""Do a switchover while the pools are held, and say how long each part took.

Patroni's own answer comes up to a second late, as it polls; here those who may take over are asked, and the pools are
let go at the moment at which one of them leads. What a commit then still waits for is a standby to vouch for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from ansible_collections.pgtier.cluster.plugins.module_utils.patroni import cluster as view
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.choice import Switchover
from ansible_collections.pgtier.cluster.plugins.module_utils.patroni.client import PatroniClient, PatroniError

POLL_SECONDS = 0.05
# For the watch to see what Patroni has answered already.
SETTLE_SECONDS = 0.5


class Failed(Exception):
    """The switchover did not happen, or nobody knows; the text says what is the case now."""


class _Request(threading.Thread):
    """POST /switchover, which does not answer before it is over."""

    def __init__(self, client: PatroniClient, plan: Switchover) -> None:
        super().__init__(daemon=True)
        self._client, self._plan = client, plan
        self.refusal = ""

    def run(self) -> None:
        named = {} if self._plan.anyone else {"candidate": self._plan.candidate}
        body = {"leader": self._plan.leader, **named}
        try:
            answer = self._client.post("/switchover", body, accept=(200, 202, 412, 503))
        except PatroniError as error:
            self.refusal = str(error)
            return
        # 200 also says who took over instead of the candidate.
        if answer.status != 200 or "instead of" in str(answer.body):
            self.refusal = f"Patroni on {self._plan.leader} says: {str(answer.body)[:300]}"


class _Succession:
    """Watches those who may take over, each by itself: one that hangs does not keep the others' word back."""

    def __init__(self, candidates: Mapping[str, PatroniClient]) -> None:
        self._settled = threading.Event()
        self._leader = ""
        for name, client in candidates.items():
            threading.Thread(target=self._watch, args=(name, client), daemon=True).start()

    def _watch(self, name: str, client: PatroniClient) -> None:
        while not self._settled.is_set():
            if _leads(client):
                self._leader = name
                self._settled.set()
            self._settled.wait(POLL_SECONDS)

    def leader(self, seconds: float) -> str:
        """Who leads; empty if nobody does within so many seconds."""
        return self._leader if self._settled.wait(seconds) else ""

    def end(self) -> None:
        self._settled.set()


def hand_over(
    client: PatroniClient,
    members: Sequence[view.Member],
    plan: Switchover,
    held: Callable[[], AbstractContextManager[None]],
    limit: float,
) -> tuple[str, dict[str, float]]:
    """Who leads now, and seconds that each part took. Raises Failed, and what `held` raises; then nothing is held any
    more."""
    urls = {member["name"]: member["api_url"] for member in members}
    leader = client.at(urls[plan.leader], timeout=limit + 30)
    begin = time.monotonic()
    with held():
        still = time.monotonic()
        request = _Request(leader, plan)
        request.start()
        succession = _Succession({name: client.at(urls[name], timeout=1) for name in plan.successors})
        try:
            while not (successor := succession.leader(POLL_SECONDS)):
                if request.refusal:
                    # Refused, or done and not seen yet.
                    if successor := succession.leader(SETTLE_SECONDS):
                        break
                    raise Failed(f"{request.refusal}. The pools are resumed; {_now(client)}")
                if time.monotonic() > begin + limit:
                    raise Failed(
                        f"{' or '.join(plan.successors)} does not lead after {limit:g} s, so the pools are resumed and "
                        f"the rest is left to Patroni, which may still do it; {_now(client)}"
                    )
        finally:
            succession.end()
        leads = time.monotonic()
    end = time.monotonic()
    return successor, {
        "held_seconds": round(end - begin, 3),
        "pause_seconds": round(still - begin, 3),
        "switch_seconds": round(leads - still, 3),
    }


def await_whole(
    client: PatroniClient, leader: str, members: Sequence[str], config: Mapping[str, Any], seconds: float
) -> list[str]:
    """Wait until the others stream from the new leader; why not, if they do not in time."""
    end, reasons = time.monotonic() + seconds, [""]
    while reasons and time.monotonic() < end:
        try:
            cluster = view.parse(client.cluster())
            reasons = view.not_ready(cluster, members, config)
            if cluster["leader"] not in (leader, None):
                return [f"{cluster['leader']} leads by now, not {leader}"]
        except PatroniError as error:
            reasons = [str(error)]
        if reasons:
            time.sleep(0.2)
    return reasons


def _leads(candidate: PatroniClient) -> bool:
    try:
        return candidate.is_primary()
    except PatroniError:
        return False


def _now(client: PatroniClient) -> str:
    try:
        leader = view.parse(client.cluster())["leader"]
    except PatroniError as error:
        return f"who leads cannot be told: {error}"
    return f"{leader or 'nobody'} leads now. See `journalctl -u patroni` on the members"
