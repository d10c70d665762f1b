"""Each form of each kind of model server, over a real connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.responses import JSONResponse

from index.plans import SCHEMA
from policy_client.http.chat import ChatClient, is_strict
from policy_client.http.embeddings import SHORTEST, EmbeddingForm, EmbeddingsClient
from policy_client.http.endpoint import Endpoint
from policy_client.http.failures import ModelNonsense, ModelRefused, ModelSilent
from policy_client.http.json_client import JsonClient
from policy_client.http.rerank import RerankClient
from tests.policy_client.model_server import ModelServer, refused

pytestmark = pytest.mark.anyio

DOCUMENTS = ["read a file", "send mail", "read mail from a file"]


class Colour(BaseModel):
    name: str


@pytest.fixture
async def connect(server: ModelServer) -> AsyncIterator[Callable[..., JsonClient]]:
    made: list[JsonClient] = []

    def client(path: str = "", **limits: Any) -> JsonClient:
        made.append(JsonClient(Endpoint(server.url + path, model="small", **limits)))
        return made[-1]

    yield client
    for one in made:
        await one.aclose()


Connect = Callable[..., JsonClient]


@pytest.mark.parametrize("form", ["documents", "texts"])
@pytest.mark.parametrize("path", ["", "/v1", "/v2/rerank"])
async def test_a_reranker_of_either_form_is_understood(
    server: ModelServer, connect: Connect, form: str, path: str
) -> None:
    server.rerank_form = form
    reranker = RerankClient(connect(path))
    assert await reranker.scores("read a file", DOCUMENTS) == [3.0, 0.0, 3.0]
    assert await reranker.scores("mail", DOCUMENTS[:2]) == [0.0, 1.0]
    assert len(server.asked) == (2 if form == "documents" else 3)  # the form is found out once
    assert {asked for asked, _ in server.asked} == {f"{path.removesuffix('/rerank')}/rerank"}


async def test_many_documents_go_in_several_requests(server: ModelServer, connect: Connect) -> None:
    scores = await RerankClient(connect()).scores("x", [f"x {n}" if n % 2 else "y" for n in range(70)])
    assert scores == [float(n % 2) for n in range(70)]
    assert [len(body["documents"]) for body in server.bodies] == [32, 32, 6]
    assert await RerankClient(connect()).scores("x", []) == []


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [{"index": 0, "relevance_score": 1}]},
        {"results": [{"index": 0, "relevance_score": 1}, {"index": 0, "relevance_score": 2}]},
        {"results": [{"index": 0, "relevance_score": "high"}, {"index": 1, "relevance_score": 2}]},
        {"results": [{"index": True, "relevance_score": 1}, {"index": 1, "relevance_score": 2}]},
        {"results": "none"},
        [[0, 1]],
        3,
        None,
    ],
)
async def test_scores_that_are_none_are_nonsense(server: ModelServer, connect: Connect, answer: object) -> None:
    server.fault = lambda: JSONResponse(answer)
    with pytest.raises(ModelNonsense):
        await RerankClient(connect()).scores("x", ["a", "b"])


@pytest.mark.parametrize("form", list(EmbeddingForm))
async def test_vectors_come_in_the_order_of_the_texts(
    server: ModelServer, connect: Connect, form: EmbeddingForm
) -> None:
    client = EmbeddingsClient(connect(), form)
    texts = [f"text {n}" for n in range(70)]
    vectors = await client.vectors(texts)
    assert [len(vector) for vector in vectors] == [64] * 70
    assert await client.vectors(texts[::-1]) == vectors[::-1]
    assert await client.vectors([]) == []
    assert {path for path, _ in server.asked} == {"/v1/embeddings" if form is EmbeddingForm.OPENAI else "/embed"}


async def test_texts_that_are_asked_for_together_share_a_request(server: ModelServer, connect: Connect) -> None:
    client = EmbeddingsClient(connect(), EmbeddingForm.OPENAI)
    answers = await asyncio.gather(*(client.vectors([f"text {n}"]) for n in range(20)))
    assert [len(body["input"]) for body in server.bodies] == [20]
    assert answers[7] == await client.vectors(["text 7"])


async def test_a_failed_request_fails_all_who_shared_it_and_nobody_after_them(
    server: ModelServer, connect: Connect
) -> None:
    client = EmbeddingsClient(connect(), EmbeddingForm.TEI)
    server.fault = refused(404)
    outcomes = await asyncio.gather(*(client.vectors([text]) for text in "abc"), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ModelRefused] * 3
    server.fault = None
    assert len(await client.vectors(["a"])) == 1


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_the_others(
    server: ModelServer, connect: Connect
) -> None:
    client = EmbeddingsClient(connect(), EmbeddingForm.TEI)
    first, second = asyncio.create_task(client.vectors(["a"])), asyncio.create_task(client.vectors(["b"]))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == await client.vectors(["b"])
    assert len(server.asked) == 2


async def test_a_text_that_is_too_long_for_the_model_is_cut_alone(server: ModelServer, connect: Connect) -> None:
    server.longest = 1000
    client = EmbeddingsClient(connect(), EmbeddingForm.OPENAI)
    long = "word " * 500
    together = await client.vectors(["short", long, "x" * 900])
    assert together == [(await client.vectors([text]))[0] for text in ("short", long, "x" * 900)]
    server.longest = SHORTEST - 1
    with pytest.raises(ModelRefused):
        await client.vectors(["x" * SHORTEST])


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"index": 0, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0, 2.0]}]},
        {"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": "AAAA"}]},
        {"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]},
        {"error": "model is loading"},
        [],
    ],
)
async def test_vectors_that_are_none_are_nonsense(server: ModelServer, connect: Connect, answer: object) -> None:
    server.fault = lambda: JSONResponse(answer)
    with pytest.raises(ModelNonsense, match="2 vectors"):
        await EmbeddingsClient(connect(), EmbeddingForm.OPENAI).vectors(["a", "b"])


@pytest.mark.parametrize(
    "said",
    [
        '{"name": "red"}',
        '<think>the user wants {"name": "blue"}</think>\n{"name": "red"}',
        'Here you are:\n```json\n{"name": "red"}\n```\nAnything else?',
    ],
)
async def test_an_answer_is_found_in_what_models_say_around_it(
    server: ModelServer, connect: Connect, said: str
) -> None:
    server.says = lambda _prompt: said
    assert await ChatClient(connect()).shaped("Name a colour.", "now", Colour) == Colour(name="red")
    assert server.asked[0][0] == "/v1/chat/completions"
    assert server.bodies[0]["response_format"]["json_schema"]["schema"] == Colour.model_json_schema()
    assert json.dumps(Colour.model_json_schema()) in server.bodies[0]["messages"][0]["content"]


@pytest.mark.parametrize("said", ["", "red", "{", '{"nom": "rouge"}', '["red"]', "{" * 100_000])
async def test_an_answer_of_another_shape_is_nonsense(server: ModelServer, connect: Connect, said: str) -> None:
    server.says = lambda _prompt: said
    with pytest.raises(ModelNonsense):
        await ChatClient(connect()).shaped("Name a colour.", "now", Colour)


def test_a_schema_is_strict_when_every_object_in_it_is_closed() -> None:
    open_ended = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    closed = {**open_ended, "additionalProperties": False}
    assert is_strict(SCHEMA)
    assert is_strict({"type": "array", "items": closed})
    assert not is_strict({"type": "array", "items": open_ended})
    assert not is_strict({"anyOf": [closed, open_ended]})
    assert not is_strict({**closed, "required": []})
    assert not is_strict(Colour.model_json_schema())


async def test_a_form_that_a_model_refuses_is_not_asked_again(server: ModelServer, connect: Connect) -> None:
    server.chat_forms, server.says = ("none",), lambda _prompt: '{"name": "red"}'
    chat = ChatClient(connect())
    for _ in range(2):
        assert (await chat.shaped("Name a colour.", "now", Colour)).name == "red"
    assert [body.get("response_format", {}).get("type") for body in server.bodies] == [
        "json_schema",
        "json_object",
        None,
        None,
    ]


async def test_a_request_that_is_refused_in_every_form_is_refused(server: ModelServer, connect: Connect) -> None:
    server.fault = refused(400, "no such model")
    chat = ChatClient(connect())
    with pytest.raises(ModelRefused, match="no such model"):
        await chat.shaped("Name a colour.", "now", Colour)
    server.fault = refused(503, **{"Retry-After": "60"})
    with pytest.raises(ModelSilent):
        await chat.shaped("Name a colour.", "now", Colour)
