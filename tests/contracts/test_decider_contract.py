"""One suite for every back-end of the policy: the fake, the rerank form and chat over a real connection, and the
embedded scorer that comes with this version.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from policy_client.deciders.chat import ChatDecider
from policy_client.deciders.embedded import EmbeddedDecider, open_policy
from policy_client.deciders.fake import FakeDecider
from policy_client.deciders.ports import Decider
from policy_client.deciders.rerank import RerankDecider
from policy_client.decision import Option, Question
from policy_client.http.chat import ChatClient
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.scorer_features import META
from policy_client.shipped import SHIPPED
from tests.policy_client.model_server import ModelServer, model_server

pytestmark = pytest.mark.anyio

MAIL = Option("mail__send", "Send a mail", {"retrieval": 2.0, "success_rate": 0.9})
WEATHER = Option("weather__forecast", "Tell the weather", {"retrieval": -1.0}, held=True)
QUESTION = Question("send a mail to Ada", (MAIL, WEATHER), (("time__now", "ok"),), {"budget_left": 1.0})


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        running.says = _says
        yield running


def _says(prompt: str) -> str:
    offered = [tool["id"] for tool in json.loads(prompt)["offered"]]
    return json.dumps({"order": offered, "remove": [], "next": offered[0] if offered else "answer"})


@pytest.fixture(params=["fake", "rerank", "chat", "embedded"])
async def decider(request: pytest.FixtureRequest, server: ModelServer) -> AsyncIterator[Decider]:
    made = _made(request.param, JsonClient(Endpoint(server.url, model="words")))
    yield made
    await made.aclose()


def _made(kind: str, client: JsonClient) -> Decider:
    match kind:
        case "rerank":
            return RerankDecider(client)
        case "chat":
            return ChatDecider(ChatClient(client))
        case "embedded":
            return EmbeddedDecider(open_policy(SHIPPED))
        case _:
            return FakeDecider()


async def test_every_action_that_the_question_allows_has_a_probability_and_no_other(decider: Decider) -> None:
    decision = await decider.decide(QUESTION)

    assert set(decision.calls) == {"mail__send", "weather__forecast"}
    assert set(decision.removals) == {"weather__forecast"}
    assert set(decision.meta) == set(META)
    shares = [*decision.calls.values(), *decision.removals.values(), *decision.meta.values()]
    assert sum(shares) == pytest.approx(1.0)
    assert min(shares) >= 0


async def test_the_decision_says_who_took_it(decider: Decider) -> None:
    decision = await decider.decide(QUESTION)

    assert (decision.backend, decision.version) == (decider.name, decider.version)
    assert decision.version


async def test_the_same_question_is_answered_alike(decider: Decider) -> None:
    first, second = await decider.decide(QUESTION), await decider.decide(QUESTION)

    assert dict(first.calls) == pytest.approx(dict(second.calls))
    assert first.order == second.order


async def test_without_tools_what_is_left_is_answering_searching_or_giving_up(decider: Decider) -> None:
    decision = await decider.decide(Question("good morning", ()))

    assert decision.order == () == decision.leaving
    assert decision.next in META
