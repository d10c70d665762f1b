"""Restart early: the closed form against simulation, and a tool that hangs now and then, with the rule and without.

The first scenario is that of the design's note (expected makespan 42.94); the note does not keep its parameters, so
these are ours: round ones that give the same value.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.report import Promise
from domain.errors import UpstreamTimeout
from domain.restart import Attempt, End, Odds, best_timeout, expected_makespan
from gateway.use_cases.attempts import MOST, Attempts, FixedTimeouts, Patience, RestartEarly, Target
from gateway.use_cases.catalogue import ServedTool
from servers.fake import FakePool, FakeUpstream, text_result
from tests.policy.virtual_time import run_virtually
from tests.store.making import a_server, a_tool

SUCCEEDS, KEPT, SPARED = 0.5, 0.85, 0.8
SUCCESS_S, FAILURE_S, GIVEN_UP_S, RESTART_S = 20.0, 45.0, 5.0, 5.0
ODDS = Odds(
    kept=(SUCCEEDS * KEPT, SUCCESS_S),
    spoilt=(SUCCEEDS * (1 - KEPT), GIVEN_UP_S),
    spared=((1 - SUCCEEDS) * SPARED, GIVEN_UP_S),
    missed=((1 - SUCCEEDS) * (1 - SPARED), FAILURE_S),
    restart_s=RESTART_S,
)
LITERATURE = 42.94

HANGS, USUAL_S, CEILING_S = 0.2, 1.0, 60.0
CALLS = 20_000


async def run(*, full: bool) -> list[Promise]:
    closed = expected_makespan(ODDS)
    simulated = _simulated(random.Random(28), 1_000_000 if full else 200_000)
    dice = random.Random(1)
    seen = [_attempt(dice) for _ in range(256)]
    tau = best_timeout(seen, CEILING_S, MOST) or CEILING_S
    hurried, fixed = [
        await asyncio.to_thread(run_virtually, _makespan(patience))
        for patience in (RestartEarly(lambda _tenant, _tool: seen), FixedTimeouts())
    ]
    return [
        Promise("restart_closed_form_off_42.94", abs(closed - LITERATURE), 0.005, " s"),
        Promise("restart_simulation_off_closed_form", abs(simulated / closed - 1), 0.01),
        Promise("restart_calls_off_expected_makespan", abs(hurried / _expected(tau) - 1), 0.1),
        Promise("restart_makespan_to_that_of_fixed_timeouts", hurried / fixed, 0.5, "x"),
        Promise("restart_switched_off_off_fixed_timeouts", abs(fixed / _expected(CEILING_S) - 1), 0.1),
    ]


def _simulated(dice: random.Random, successes: int) -> float:
    """Mean seconds until a success, an attempt after the other."""
    total = 0.0
    for _ in range(successes):
        while True:
            succeeds = dice.random() < SUCCEEDS
            is_given_up = dice.random() >= KEPT if succeeds else dice.random() < SPARED
            total += GIVEN_UP_S if is_given_up else SUCCESS_S if succeeds else FAILURE_S
            if succeeds and not is_given_up:
                break
            total += RESTART_S
    return total / successes


def _latency(dice: random.Random) -> float:
    """Of the tool: it answers after a second on average, or never."""
    return math.inf if dice.random() < HANGS else dice.expovariate(1 / USUAL_S)


def _attempt(dice: random.Random) -> Attempt:
    seconds = _latency(dice)
    return Attempt(seconds, End.ANSWERED) if seconds < CEILING_S else Attempt(CEILING_S, End.CUT)


def _expected(tau: float) -> float:
    """Makespan of that tool under a timeout, by its distribution."""
    first, last = (_by(seconds) for seconds in (tau, CEILING_S))
    others = 1 - first[1]
    tries = [others**number for number in range(MOST - 1)] if tau < CEILING_S else []
    left = others ** len(tries)
    return (sum(tries) * first[0] + left * last[0]) / (1 - left * (1 - last[1]))


def _by(seconds: float) -> tuple[float, float]:
    """Mean seconds of an attempt that is cut then, and the share that is answered by then."""
    answered = (1 - HANGS) * -math.expm1(-seconds / USUAL_S)
    return USUAL_S * answered + HANGS * seconds, answered


async def _makespan(patience: Patience) -> float:
    """Mean seconds until an answer of a caller that calls again when it got none, through the use case."""
    dice = random.Random(2)

    async def answer(_arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        await asyncio.sleep(min(_latency(dice), 10 * CEILING_S))
        return text_result("done")

    server = replace(a_server(), trusted=True)
    tool = ServedTool.of(a_tool("read", annotations={"readOnlyHint": True}))
    upstream = FakeUpstream(handlers={"read": answer})
    attempts = Attempts(FakePool({(server.tenant, server.slug): upstream}), patience)
    began = asyncio.get_running_loop().time()
    for _ in range(CALLS):
        while True:
            try:
                await attempts(Target(server, tool, {}, "owner"), CEILING_S)
            except UpstreamTimeout:
                continue
            break
    return (asyncio.get_running_loop().time() - began) / CALLS
