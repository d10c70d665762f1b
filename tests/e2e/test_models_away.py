"""Models that are dead, slow, or talk nonsense, behind a real gateway: flagged, never a 500, never fewer hits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from gateway.api_client import ApiClient
from tests.e2e.impatient_gateway import impatient_gateway, nobody_listening, register
from tests.policy_client.model_server import ModelServer, model_server, refused

pytestmark = pytest.mark.anyio

KEY = "sk-canary-0815"
QUERIES = ["give the text back", "add two numbers and then give the text back", "ref echo"]

Prepare = Callable[[ModelServer], None]


def silent(server: ModelServer) -> None:
    server.silent = True


def answering(answer: Callable[[], Response]) -> Prepare:
    def prepare(server: ModelServer) -> None:
        server.fault = answer

    return prepare


FAULTS: dict[str, Prepare] = {
    "silent": silent,
    "failing": answering(refused(500, f"crashed with {KEY}")),
    "overloaded": answering(refused(503, **{"Retry-After": "3600"})),
    "locked": answering(refused(401, f"wrong key {KEY}")),
    "elsewhere": answering(refused(307, Location="http://127.0.0.1:9/")),
    "no JSON": answering(lambda: Response("<html>")),
    "nonsense": answering(
        lambda: JSONResponse({"data": [{"index": 0, "embedding": ["x"]}], "results": [], "choices": 3})
    ),
    "huge": answering(lambda: Response(b'"' + b"x" * (5 << 20) + b'"')),
}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def nobody() -> Iterator[str]:
    with nobody_listening() as address:
        yield address


async def search(api: ApiClient, profile: str = "hybrid") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.post("/search", {"queries": QUERIES, "profile": profile}))["results"]
    return found


def tools(results: list[dict[str, Any]]) -> list[list[str]]:
    return [[candidate["tool_id"] for candidate in result["candidates"]] for result in results]


async def test_a_reranker_and_a_language_model_that_fail_leave_the_plain_answer(
    tmp_path: Path, server: ModelServer
) -> None:
    settings = {"rerank_url": server.url, "rerank_key": KEY, "llm_url": server.url, "llm_key": KEY, "llm_model": "m"}
    async with impatient_gateway(tmp_path) as (_, api):
        plain = tools(await search(api))
        assert all(plain)
    async with impatient_gateway(tmp_path, **settings) as (_, api):
        for name, prepare in FAULTS.items():
            server.fault, server.silent = None, False
            prepare(server)
            reranked, deep = await search(api), await search(api, "toolshed")
            assert tools(reranked) == tools(deep) == plain, name
            assert {tuple(one["degraded"]) for one in reranked} == {("reranker",)}, name
            assert {tuple(one["degraded"]) for one in deep} == {("llm",)}, name
        models = (await api.get("/models"))["models"]
        assert KEY not in json.dumps(models)
        failing = {model["purpose"] for model in models if model["failure"]}
        assert failing == {"reranker", "llm"}  # nothing was asked of the same model for enrichment


async def test_models_that_answer_take_part(tmp_path: Path, server: ModelServer) -> None:
    server.says = lambda _prompt: json.dumps(
        {"rewritten": "echo", "steps": [{"need": "echo text", "variations": ["give text back"]}]}
    )
    patient = {"rerank_deadline_s": 30, "llm_deadline_s": 30}  # these models answer, on a busy machine too
    models = {"rerank_url": server.url, "llm_url": server.url, "llm_model": "m"}
    async with impatient_gateway(tmp_path, **patient, **models) as (_, api):
        answer = await api.post("/search", {"queries": QUERIES, "profile": "toolshed", "explain": True})
        assert {tuple(one["degraded"]) for one in answer["results"]} == {()}
        assert {"toolshed"} <= set(answer["results"][0]["timings_ms"])
        assert "rerank" in answer["results"][0]["candidates"][0]["stages"]
        reranked = await api.post("/search", {"queries": QUERIES, "explain": True})
        assert "rerank" in reranked["results"][0]["candidates"][0]["stages"]
        probed = await api.get("/models", probe="true")
        assert {model["failure"] for model in probed["models"]} == {None}


async def test_nobody_listening_is_no_worse(tmp_path: Path, nobody: str) -> None:
    async with impatient_gateway(tmp_path, rerank_url=nobody, llm_url=nobody, llm_model="m") as (_, api):
        reranked, deep = await search(api), await search(api, "toolshed")
        assert all(tools(reranked))
        assert tools(reranked) == tools(deep)
        assert reranked[0]["degraded"] == ["reranker"]
        assert deep[0]["degraded"] == ["llm"]
    async with impatient_gateway(tmp_path) as (_, api):
        assert (await search(api, "toolshed"))[0]["degraded"] == ["llm"]  # none is configured


async def test_an_embedding_model_that_dies_leaves_search_by_words(tmp_path: Path, server: ModelServer) -> None:
    settings = {"embedder": "openai:small", "embedding_url": f"{server.url}/v1", "embedding_key": KEY}
    async with impatient_gateway(tmp_path, **settings) as (_, api):
        healthy = await search(api)
        assert {tuple(one["degraded"]) for one in healthy} == {()}
        for name, prepare in FAULTS.items():
            server.fault, server.silent = None, False
            prepare(server)
            asked = {"queries": [f"{query} ({name})" for query in QUERIES], "profile": "hybrid"}
            for result in (await api.post("/search", asked))["results"]:
                assert "embedder" in result["degraded"], name
                assert len(result["candidates"]) >= 1, name
    async with impatient_gateway(tmp_path, **settings) as (running, api):  # dead since before the start
        assert running.crib.index.is_current
        for result in await search(api):
            assert "embedder" in result["degraded"]
            assert result["candidates"]
        run = await register(api, "late")
        assert "found by words" in run["warnings"][0]
        [result] = (await api.post("/search", {"queries": ["late echo"]}))["results"]
        assert result["candidates"][0]["tool_id"] == "late__echo"
    server.fault, server.silent = None, False
    async with impatient_gateway(tmp_path, **settings) as (running, api):  # the model is back
        assert {tuple(one["degraded"]) for one in await search(api)} == {()}
        assert "" not in (await running.crib.index.serving.inventory()).values()


async def test_an_embedding_model_that_was_never_there_is_replaced_until_it_comes(tmp_path: Path, nobody: str) -> None:
    async with impatient_gateway(tmp_path, embedder="tei", embedding_url=nobody) as (_, api):
        results = await search(api)
        assert {tuple(one["degraded"]) for one in results} == {("embedder",)}
        assert all(tools(results))
        state = (await api.get("/models"))["embedder"]
        assert (state["wanted"], state["is_current"]) == ("tei", False)
        assert "cannot be had" in state["state"]


async def test_a_changed_model_answers_after_its_index_is_built_and_the_old_one_until_then(
    tmp_path: Path, server: ModelServer
) -> None:
    async with impatient_gateway(tmp_path) as (_, api):
        plain = tools(await search(api))
    async with impatient_gateway(tmp_path, embedder="tei", embedding_url=server.url) as (running, api):
        while not running.crib.index.is_current:
            results = await search(api)
            assert {tuple(one["degraded"]) for one in results} == {()}
            assert all(tools(results))
        assert (await api.get("/models"))["embedder"]["state"] == "tei answers"
        assert all(tools(await search(api)))
    async with impatient_gateway(tmp_path) as (_, api):
        assert all(tools(await search(api)))
        assert len(plain) == len(QUERIES)
