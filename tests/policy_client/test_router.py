"""Who is asked, how long, and what happens to a policy that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from domain.circuit import Circuit, Patience
from domain.errors import ModelUnavailable
from policy_client.deciders.fake import FakeDecider
from policy_client.decision import Decision, Option, Question
from policy_client.http.failures import ModelNonsense, ModelSilent
from policy_client.router import BackEnd, Router

pytestmark = pytest.mark.anyio

QUESTION = Question("send a mail", (Option("s__send_mail"), Option("s__weather")))


class Scripted(FakeDecider):
    """The fake, which fails or hangs when told to, and counts."""

    def __init__(self, name: str = "fake", failure: Callable[[], ModelUnavailable] | None = None) -> None:
        self.name = name
        self.version = f"{name}-1"
        self.failure = failure
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = 0

    async def decide(self, question: Question) -> Decision:
        self.asked += 1
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure()
        return await super().decide(question)


def silent() -> ModelUnavailable:
    return ModelSilent("away")


async def test_the_first_back_end_that_answers_decides() -> None:
    chat, embedded = Scripted("chat", silent), Scripted("embedded")

    decision = await Router([BackEnd(chat, 1.0), BackEnd(embedded, 1.0)]).decide(QUESTION)

    assert decision.backend == "embedded"
    assert (chat.asked, embedded.asked) == (1, 1)


async def test_a_back_end_that_is_late_is_left_behind_at_its_deadline() -> None:
    chat, embedded = Scripted("chat"), Scripted("embedded")
    chat.gate.clear()
    slow = BackEnd(chat, 0.01)

    decision = await Router([slow, BackEnd(embedded, 1.0)]).decide(QUESTION)

    assert decision.backend == "embedded"
    assert (slow.counts.late, slow.counts.failed) == (1, 1)


async def test_after_three_failures_a_back_end_is_left_alone_until_its_pause_is_over() -> None:
    now = [0.0]
    chat = Scripted("chat", silent)
    backend = BackEnd(chat, 1.0, Circuit(Patience(3, 1.0, 5.0), clock=lambda: now[0], chance=lambda: 1.0))
    router = Router([backend, BackEnd(Scripted("embedded"), 1.0)])

    for number in range(10):
        await router.decide(Question(f"mail {number}", QUESTION.options))
    assert chat.asked == 3

    chat.failure = None
    now[0] = 5.0
    assert (await router.decide(Question("mail again", QUESTION.options))).backend == "chat"
    assert not backend.circuit.is_open


async def test_when_nobody_answers_the_last_reason_is_told() -> None:
    garbage = Scripted("embedded", lambda: ModelNonsense("garbage"))

    with pytest.raises(ModelNonsense, match="garbage"):
        await Router([BackEnd(Scripted("chat", silent), 1.0), BackEnd(garbage, 1.0)]).decide(QUESTION)


async def test_identical_questions_share_one_answer_under_way_and_afterwards() -> None:
    decider = Scripted()
    decider.gate.clear()
    router = Router([BackEnd(decider, 5.0)])
    together = [asyncio.create_task(router.decide(QUESTION)) for _ in range(8)]
    await asyncio.sleep(0)
    decider.gate.set()

    decisions = [*await asyncio.gather(*together), await router.decide(QUESTION)]

    assert decider.asked == 1
    assert len({decision.order for decision in decisions}) == 1
    assert router.hits == 8


async def test_a_stand_in_s_opinion_does_not_outlast_the_failure() -> None:
    chat = Scripted("chat", silent)
    router = Router([BackEnd(chat, 1.0), BackEnd(Scripted("embedded"), 1.0)])
    await router.decide(QUESTION)
    chat.failure = None

    assert (await router.decide(QUESTION)).backend == "chat"


async def test_a_caller_that_gives_up_takes_nobody_s_answer_away() -> None:
    decider = Scripted()
    decider.gate.clear()
    router = Router([BackEnd(decider, 5.0)])
    leaving, staying = (asyncio.create_task(router.decide(QUESTION)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    decider.gate.set()

    assert (await staying).backend == "fake"
