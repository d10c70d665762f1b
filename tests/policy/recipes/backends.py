"""A policy behind a URL that fails in every way: each search is answered, in time, and the policy is left alone and
found again. Behind it stands the embedded one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2
from starlette.responses import Response

from benchmarks.report import Promise, percentiles
from tests.policy.gateways import Answered, Asking, gateway
from tests.policy_client.model_server import ModelServer, model_server, refused

DEADLINE_S = 0.5
SEARCHES = 30
_GIVE_UP_S = 30.0


def says(prompt: str) -> str:
    """A model that prefers what it was offered last."""
    offered = [tool["id"] for tool in json.loads(prompt)["offered"]]
    return json.dumps({"order": offered[::-1], "remove": [], "next": "search"})


def _chat(content: str) -> Callable[[], Response]:
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": content}}]})
    return lambda: Response(body, media_type="application/json")


FAULTS: dict[str, Callable[[], Response]] = {
    "garbage": lambda: Response(b"\x00\xff<html>", media_type="application/json"),
    "half_json": _chat('{"order": ["a'),
    "wrong_id": _chat('{"order": ["made__up"], "remove": [], "next": "made__up"}'),
    "status_500": refused(500),
    "status_429": refused(429, **{"Retry-After": "1"}),
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one fault. `opened`: failures until the policy was left alone; `closed_s`: from its recovery to a decision."""

    answers: list[Answered]
    refused: int
    opened: int
    closed_s: float


async def run(*, full: bool) -> list[Promise]:
    searches = 10 * SEARCHES if full else SEARCHES
    outcomes: dict[str, Outcome] = {}
    with ExitStack() as stack:
        server = stack.enter_context(model_server())
        server.says = says
        port = urlsplit(server.url).port or 0
        async with gateway(
            policy_chat_url=server.url, policy_chat_model="scripted", policy_deadline_s=str(DEADLINE_S)
        ) as asking:
            routed = [await asking.search() for _ in range(5)]
            for name, fault in FAULTS.items():
                server.fault = fault
                outcomes[name] = await _through(asking, searches, lambda: _mend(server))
            server.silent = True
            outcomes["slow"] = await _through(asking, searches, lambda: _mend(server))
            stack.close()
            outcomes["killed"] = await _through(
                asking, searches, lambda: setattr(stack.enter_context(model_server(port)), "says", says)
            )
    return [
        Promise("policy_chat_decides", sum(one.decided_by.startswith("chat") for one in routed), 5, at_most=False),
        *_promises(outcomes),
    ]


def _promises(outcomes: dict[str, Outcome]) -> list[Promise]:
    answers = [one for outcome in outcomes.values() for one in outcome.answers]
    asked = len(answers) + sum(outcome.refused for outcome in outcomes.values())
    found = sum(one.found > 0 for one in answers)
    p99 = max(percentiles([one.policy_ms or 0.0 for one in outcome.answers])["p99"] for outcome in outcomes.values())
    stood_in = sum(one.decided_by.startswith("embedded") for one in answers)
    return [
        Promise("policy_faults_searches_answered", 100 * found / asked, 100, "%", at_most=False),
        Promise("policy_faults_p99_to_deadline", p99 / 1e3 / DEADLINE_S, 1.1, "x"),
        Promise("policy_faults_decided_by_the_embedded_one", 100 * stood_in / asked, 95, "%", at_most=False),
        Promise("policy_faults_failures_until_left_alone", max(one.opened for one in outcomes.values()), 5),
        Promise("policy_faults_recovery_until_asked_again", max(one.closed_s for one in outcomes.values()), 10, " s"),
    ]


async def _through(asking: Asking, searches: int, mend: Callable[[], object]) -> Outcome:
    """Search while the policy fails, then until it decides again."""
    before = await asking.backend("chat")
    answers: list[Answered] = []
    refusals, opened = 0, 0
    for _ in range(searches):
        try:
            answers.append(await asking.search())
        except httpx2.HTTPError as error:
            refusals += 1
            print(f"  refused: {error}", flush=True)  # noqa: T201
        if not opened:
            now = await asking.backend("chat")
            opened = now["failed"] - before["failed"] if now["left_alone"] else 0
    mend()
    began = time.perf_counter()
    while not (await asking.search()).decided_by.startswith("chat") and time.perf_counter() - began < _GIVE_UP_S:
        pass
    return Outcome(answers, refusals, opened or searches, time.perf_counter() - began)


def _mend(server: ModelServer) -> None:
    server.fault, server.silent = None, False
    server.released.set()
