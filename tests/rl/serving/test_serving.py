"""`toolcrib rl serve`: over HTTP a policy says what it says in a process, and refuses what it cannot read."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
import torch
import uvicorn

from domain.errors import InvalidInput
from policy_client.deciders.embedded import EmbeddedDecider, actions, open_policy
from policy_client.deciders.rerank import RerankDecider, numbers
from policy_client.decision import Option, Question
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.shipped import SHIPPED
from policy_client.text_form import state_text
from rl.policies.keeping import Origin
from rl.policies.text import begun
from rl.policies.text_keeping import keep_text
from rl.serving.app import make_app
from rl.serving.runners import OnnxText, Request, Runner, TorchText, open_runner
from tests.rl.bert import tiny_bert

pytestmark = pytest.mark.anyio

QUESTION = Question(
    "paint it red",
    (
        Option("a__red", "paint it red", {"retrieval": 2.0, "success_rate": 0.5}),
        Option("b__blue", "paint it blue", {"retrieval": -1.0}, held=True),
    ),
    (("c__find", "ok"),),
    {"budget_left": 1.0},
)


@pytest.fixture(scope="module")
def text_policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    policy, reader = begun(tiny_bert(tmp_path_factory.mktemp("bert")))
    torch.manual_seed(3)
    torch.nn.init.normal_(policy.head.weight)
    keep_text(policy, reader, folder, Origin("a test"))
    return folder


@asynccontextmanager
async def served(runner: Runner, *, most: int = 64) -> AsyncIterator[httpx2.AsyncClient]:
    app = make_app(runner, most=most)
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", trust_env=False) as client,
    ):
        yield client


async def scores(client: httpx2.AsyncClient, query: str, documents: Sequence[str]) -> list[float]:
    answer = await client.post("/rerank", json={"query": query, "documents": list(documents)})
    assert answer.status_code == 200, answer.text
    by_index = {one["index"]: one["relevance_score"] for one in answer.json()["results"]}
    return [by_index[at] for at in range(len(documents))]


async def test_a_scorer_over_http_decides_as_in_a_process() -> None:
    embedded = EmbeddedDecider(open_policy(SHIPPED))
    decision = await embedded.decide(QUESTION)
    await embedded.aclose()
    async with served(open_runner(SHIPPED, "cpu")) as client:
        found = torch.tensor(await scores(client, '{"budget_left": 1.0}', numbers(QUESTION)))

    shares = torch.softmax(found, 0).tolist()
    expected = [*decision.calls.values(), *decision.removals.values(), *decision.meta.values()]
    assert shares == pytest.approx(expected, abs=1e-6)


async def test_a_text_policy_over_http_scores_as_on_torch(text_policy: Path) -> None:
    state = state_text(QUESTION.request, QUESTION.calls)
    request = Request(state, tuple(actions(QUESTION)))
    [expected] = TorchText(text_policy, "cpu").scores([request])

    async with served(OnnxText(text_policy)) as client:
        assert await scores(client, state, actions(QUESTION)) == pytest.approx(expected, abs=1e-5)


async def test_it_says_which_policy_it_is_and_how_it_fares() -> None:
    async with served(open_runner(SHIPPED, "cpu")) as client:
        info = (await client.post("/info")).json()
        await scores(client, "{}", numbers(QUESTION))
        counted = (await client.get("/metrics")).text

    assert info["kind"] == "scorer"
    assert info["version"].startswith("scorer:")
    assert 'toolcrib_policy_requests_total{status="200"} 1.0' in counted


async def test_the_form_of_text_embeddings_inference_is_spoken_too() -> None:
    async with served(open_runner(SHIPPED, "cpu")) as client:
        answer = await client.post("/rerank", json={"query": "{}", "texts": numbers(QUESTION)})

    assert sorted(one["index"] for one in answer.json()) == list(range(len(numbers(QUESTION))))


@pytest.mark.parametrize(
    "body",
    [
        {"query": "{}"},
        {"query": "words", "documents": ["words"]},
        {"query": "{}", "documents": ['{"removal": 0}']},
        {"query": "{}", "documents": ['{"meta": "sleep"}']},
        {"query": 3},
    ],
)
async def test_what_is_in_no_form_of_the_policy_is_refused_with_a_sentence(body: dict[str, object]) -> None:
    async with served(open_runner(SHIPPED, "cpu")) as client:
        answer = await client.post("/rerank", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")


@contextmanager
def running(runner: Runner) -> Iterator[str]:
    """A server on loopback, in a thread of its own; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(make_app(runner), log_config=None, ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


async def test_questions_of_one_gateway_that_come_together_are_one_request_and_decided_as_in_a_process() -> None:
    questions = [replace(QUESTION, context={"calls": float(number)}) for number in range(8)]
    embedded = EmbeddedDecider(open_policy(SHIPPED))
    expected = [await embedded.decide(question) for question in questions]
    await embedded.aclose()
    with running(open_runner(SHIPPED, "cpu")) as url:
        decider = RerankDecider(JsonClient(Endpoint(url)))
        first = await decider.decide(QUESTION)
        found = await asyncio.gather(*map(decider.decide, questions))
        sizes = decider.together.sizes
        await decider.aclose()

    assert (first.backend, first.version) == ("rerank", expected[0].version)
    assert sizes == [1, 8]
    for ours, theirs in zip(found, expected, strict=True):
        assert dict(ours.calls) == pytest.approx(dict(theirs.calls), abs=1e-5)
        assert dict(ours.removals) == pytest.approx(dict(theirs.removals), abs=1e-5)


@pytest.mark.parametrize(
    "body",
    [
        {"decisions": 1, "slots": 1, "candidates": "AACAPw==", "context": "AACAPw==", "there": "AQ=="},
        {"decisions": 1, "slots": 1, "candidates": "no base64", "context": "", "there": ""},
        {"decisions": 0, "slots": 0, "candidates": "", "context": "", "there": ""},
        {"decisions": 1, "slots": 1, "candidates": [[[1.0]]], "context": [[1.0]], "there": [[True]]},
        {"candidates": "many"},
    ],
)
async def test_numbers_of_another_shape_are_refused_with_a_sentence(body: dict[str, object]) -> None:
    async with served(open_runner(SHIPPED, "cpu")) as client:
        answer = await client.post("/logits", json=body)

    assert answer.status_code == 422
    assert answer.json()["detail"].endswith(".")


def test_a_gpu_that_is_not_there_is_named(text_policy: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(InvalidInput, match="No GPU can be seen"):
        open_runner(text_policy, "cuda")
