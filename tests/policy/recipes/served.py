"""A policy server beside a gateway: it decides, is killed and comes back, and scores requests that come together in one
run. It is a process of the environment that has torch, `TOOLCRIB_RL_PYTHON` (`make policy` sets it).
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2

from benchmarks.report import Promise
from policy_client.deciders.rerank import RerankDecider
from policy_client.decision import Option, Question
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.scorer_features import CANDIDATE
from policy_client.shipped import SHIPPED
from tests.policy.gateways import Asking, gateway

CALLERS = 64
_GIVE_UP_S = 60.0


async def run(*, full: bool) -> list[Promise]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with ExitStack() as stack:
        async with gateway(policy_url=f"http://127.0.0.1:{port}", policy_deadline_s="1") as asking:
            first = stack.enter_context(_serving(port))
            decided = [await asking.search() for _ in range(10)]
            first.kill()
            alone = [await asking.search() for _ in range(30)]
            stack.close()
            stack.enter_context(_serving(port))
            began = time.perf_counter()
            while not await _by_server(asking) and time.perf_counter() - began < _GIVE_UP_S:
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


@contextmanager
def _serving(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`toolcrib rl serve` with the shipped scorer, once it answers."""
    python = os.environ["TOOLCRIB_RL_PYTHON"]
    command = [python, "-m", "gateway.cli", "rl", "serve", "--policy", str(SHIPPED), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        began = time.perf_counter()
        while not _is_up(port):
            assert process.poll() is None, "the policy server ended at its start"
            assert time.perf_counter() - began < _GIVE_UP_S
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _is_up(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=1).status_code == 200
    except httpx2.TransportError:
        return False


async def _throughput(port: int, rounds: int, *, together: bool) -> float:
    """Decisions per second of CALLERS at once, each of whom asks again when it is answered: through one back-end, which
    puts questions that come together into one request, or through one for each of them.
    """
    url = f"http://127.0.0.1:{port}"
    with _serving(port):
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
