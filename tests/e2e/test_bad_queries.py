"""Queries that nobody should send, and models that are gone, over HTTP and over MCP: a clear error or an answer that
says what is missing of it, never a failure of the gateway, never nothing where plain retrieval finds something.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client

from domain.errors import InvalidInput
from gateway.api_client import ApiClient
from index.calibration import FEWEST, MOST
from tests.e2e.impatient_gateway import impatient_gateway, nobody_listening
from tests.e2e.running import command, serving

pytestmark = pytest.mark.anyio

REFERENCE = [sys.executable, "-m", "tests.upstreams.reference", "--transport", "stdio"]
MCP_HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
PLAIN = "give the text back"

REFUSED = {
    "empty": ("", "A query is empty"),
    "blank": (" \t\n ", "A query is empty"),
    "100 kB": ("echo this text " * 6_667, "longer than 20,000 characters"),
}

ANSWERED = {
    "control characters": "\x00\x01\x02\x1b[31m\x7f\ufffd\uffff",
    "bytes read as text": bytes(range(256)).decode("latin-1"),
    "emoji": "\N{CLOCK FACE ONE OCLOCK}\N{EARTH GLOBE EUROPE-AFRICA}\N{ZERO WIDTH JOINER}\N{THUMBS UP SIGN}",
    "punctuation": "?!... -- ()[]{} \"'`",
    "German": "Gib mir bitte den Text unverändert zurück",
    "Chinese": "把这段文字原样返回",
    "Arabic, right to left": "أعد إليّ النص كما هو",
    "one word without an end": "x" * 19_999,
    "many commas": "a,b," * 4_999,
}


GONE = {
    "reranker": ({"rerank_url": "", "reranker": "m"}, "reranker"),
    "language model": ({"llm_url": "", "llm_model": "m", "profile": "toolshed"}, "llm"),
    "embedding model": ({"embedding_url": "", "embedder": "openai:m"}, "embedder"),
}
"""What is set, addresses left open, and what the answer must name."""

CUT = {
    "no JSON": b"{",
    "bytes that are no text": b'{"queries": ["\xff\xfe\x00"]}',
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 16,
    "queries of numbers": b'{"queries": [1, 2]}',
    "half a character": b'{"queries": ["echo \\ud83d"]}',
    "no queries": b'{"queries": []}',
    "k that is no number": b'{"queries": ["echo"], "k": "many"}',
}
"""Bodies of a search over HTTP that are none."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = tmp_path_factory.mktemp("bad-queries")
    with serving(data) as gateway:
        added = command(data, "servers", "add", "ref", "--yes", "--", *REFERENCE)
        assert added.returncode == 0, added.stderr
        yield gateway.url


async def over_http(url: str, query: str, **more: Any) -> dict[str, Any]:
    """The answer to one query. Raises what a caller gets instead."""
    async with ApiClient(url) as api:
        return dict((await api.post("/search", {"queries": [query], **more}))["results"][0])


async def over_mcp(url: str, query: str, **more: Any) -> tuple[bool, dict[str, Any]]:
    """Whether `search_tools` failed, and what its first text says: of an answer, that to the query."""
    async with Client(f"{url}/mcp") as client:
        answer = await client.call_tool("search_tools", {"queries": [query], **more})
    said = json.loads(answer.content[0].text)  # type: ignore[union-attr]
    return bool(answer.is_error), said if answer.is_error else dict(said["results"][0])


@pytest.mark.parametrize(("query", "said"), REFUSED.values(), ids=REFUSED)
async def test_what_is_no_query_is_refused_in_a_sentence(url: str, query: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        await over_http(url, query)
    failed, answer = await over_mcp(url, query)
    assert failed
    assert answer["error"] == InvalidInput.code
    assert said in answer["message"]


@pytest.mark.parametrize("query", ANSWERED.values(), ids=ANSWERED)
async def test_what_can_be_read_as_a_query_finds_as_many_tools_as_any_other(url: str, query: str) -> None:
    usual = len((await over_http(url, PLAIN, k=5))["candidates"])
    found = await over_http(url, query, k=5)
    assert len(found["candidates"]) == usual > 0
    assert found["degraded"] == []
    failed, answer = await over_mcp(url, query)
    assert not failed
    assert FEWEST <= len(answer["tools"]) <= MOST


@pytest.mark.parametrize(
    "query", ["Gib mir bitte den Text unver\u00e4ndert zur\u00fcck", "ref__echo \N{EARTH GLOBE ASIA-AUSTRALIA}"]
)
async def test_words_of_another_language_and_signs_hide_no_tool_that_is_named_or_meant(url: str, query: str) -> None:
    assert "ref__echo" in [one["tool_id"] for one in (await over_http(url, query))["candidates"]]


@pytest.mark.parametrize("k", [0, -1, 101, 10_000])
async def test_a_number_of_tools_out_of_bounds_is_refused_with_the_bounds(url: str, k: int) -> None:
    with pytest.raises(InvalidInput, match=f"between 1 and 100 tools per query, not {k}"):
        await over_http(url, PLAIN, k=k)
    failed, answer = await over_mcp(url, PLAIN, k=k)  # not offered there
    assert not failed
    assert answer["tools"]


@pytest.mark.parametrize("body", CUT.values(), ids=CUT)
async def test_a_body_that_is_no_search_is_a_problem_of_the_caller(url: str, body: bytes) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        answer = await http.post("/api/v1/search", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
        asked = await http.post("/mcp", content=body, headers=MCP_HEADERS)
        assert 400 <= asked.status_code < 500, asked.text


async def test_too_many_queries_at_once_are_refused_with_the_number(url: str) -> None:
    async with ApiClient(url) as api, Client(f"{url}/mcp") as client:
        with pytest.raises(InvalidInput, match="1 to 16 queries, not 17"):
            await api.post("/search", {"queries": [PLAIN] * 17})
        answer = await client.call_tool("search_tools", {"queries": [PLAIN] * 17})
    assert answer.is_error


@pytest.mark.parametrize(("settings", "lost"), GONE.values(), ids=GONE)
async def test_a_model_that_is_gone_is_named_and_plain_retrieval_answers(
    tmp_path: Path, settings: dict[str, str], lost: str
) -> None:
    async with impatient_gateway(tmp_path) as (running, _):
        plain = await over_http(running.url, PLAIN)
        assert plain["candidates"]
    with nobody_listening() as nobody:
        dead = {name: nobody if name.endswith("_url") else value for name, value in settings.items()}
        async with impatient_gateway(tmp_path, **dead) as (running, _):
            found = await over_http(running.url, PLAIN)
            failed, answer = await over_mcp(running.url, PLAIN)
    assert found["degraded"] == [lost]
    names = [one["tool_id"] for one in plain["candidates"]]
    assert [one["tool_id"] for one in found["candidates"]] == names
    assert not failed
    assert answer["degraded"] == [lost]
    assert [tool["name"] for tool in answer["tools"]] == names
