"""A policy server beside a gateway: it decides, is killed and comes back, and scores requests that come together in one
run. It is a process of the environment that has torch, `TOOLCRIB_RL_PYTHON` (`make policy` sets it).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

from benchmarks.report import Promise
from policy_client.deciders.rerank import RerankDecider
from policy_client.decision import Option, Question
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.scorer_features import CANDIDATE
from policy_client.shipped import SHIPPED
from tests.policy.gateways import Asking, gateway
from tests.policy.policy_server import GIVE_UP_S, free_port, policy_server

CALLERS = 64


async def run(*, full: bool) -> list[Promise]:
    port = free_port()
    with ExitStack() as stack:
        async with gateway(policy_url=f"http://127.0.0.1:{port}", policy_deadline_s="1") as asking:
            first = stack.enter_context(policy_server(SHIPPED, port))
            decided = [await asking.search() for _ in range(10)]
            first.kill()
            alone = [await asking.search() for _ in range(30)]
            stack.close()
            stack.enter_context(policy_server(SHIPPED, port))
            began = time.perf_counter()
            while not await _by_server(asking) and time.perf_counter() - began < GIVE_UP_S:
                pass
            closed_s = time.perf_counter() - began
    rounds = 40 if full else 8
    batched = await _throughput(port, rounds, together=True)
    unbatched = await _throughput(port, rounds, together=False)
    print(f"  decisions per second: {batched:.0f} in batches, {unbatched:.0f} one by one", flush=True)  # noqa: T201
    return [
        Promise(
            "policy_server_decides", sum(one.decided_by.startswith("rerank") for one in decided), 10, at_most=False
        ),
        Promise("policy_server_killed_searches_answered", sum(one.found > 0 for one in alone), 30, at_most=False),
        Promise("policy_server_restart_until_asked_again", closed_s, 10, " s"),
        Promise("policy_server_throughput_of_64_to_one_by_one", batched / unbatched, 5, "x", at_most=False),
    ]


async def _by_server(asking: Asking) -> bool:
    return (await asking.search()).decided_by.startswith("rerank")


async def _throughput(port: int, rounds: int, *, together: bool) -> float:
    """Decisions per second of CALLERS at once, each of whom asks again when it is answered: through one back-end, which
    puts questions that come together into one request, or through one for each of them.
    """
    url = f"http://127.0.0.1:{port}"
    with policy_server(SHIPPED, port):
        deciders = [
            RerankDecider(JsonClient(Endpoint(url, in_flight=CALLERS))) for _ in range(1 if together else CALLERS)
        ]
        asked = [_ask(deciders[number % len(deciders)], number, rounds) for number in range(CALLERS)]
        await asyncio.gather(*(_ask(decider, 0, 1) for decider in deciders))
        began = time.perf_counter()
        await asyncio.gather(*asked)
        took = time.perf_counter() - began
        for decider in deciders:
            await decider.aclose()
    return CALLERS * rounds / took


async def _ask(decider: RerankDecider, number: int, times: int) -> None:
    features = dict.fromkeys(CANDIDATE, 0.5)
    options = tuple(Option(f"s__tool_{at}", features=features) for at in range(30))
    for _ in range(times):
        await decider.decide(Question(f"do it {number}", options))
