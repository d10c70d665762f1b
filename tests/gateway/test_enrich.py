"""Questions written by a language model: through the command and the API, once each, and found by."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidInput, ModelUnavailable
from domain.questions import QuestionSource
from gateway.api_client import ApiClient
from gateway.runner import Running, run_gateway
from gateway.settings import Settings
from tests.e2e.running import command
from tests.policy_client.model_server import ModelServer, model_server, refused
from tests.upstreams.running import ROOT, stdio_command

pytestmark = pytest.mark.anyio


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


def writes(prompt: str) -> str:
    """Three questions for the tool that the prompt describes; one is no question."""
    name = next(line for line in prompt.splitlines() if line.startswith("Tool: ")).removeprefix("Tool: ")
    return json.dumps({"questions": [f"Kindly {name} for my aunt", f"KINDLY {name} for my aunt!", name]})


def settings(data: Path, server: ModelServer) -> Settings:
    return Settings(data=data, port=0, llm_url=server.url, llm_model="small")  # type: ignore[arg-type]


async def register(api: ApiClient) -> int:
    new = {"name": "ref", "transport": "stdio", "command": list(stdio_command("reference")), "cwd": str(ROOT)}
    await api.post("/servers", {**new, "consent": True})
    return int((await api.post("/servers/ref/sync"))["added"])


async def run_through(api: ApiClient) -> dict[str, Any]:
    """Every step of one run, added up."""
    total: dict[str, Any] = {"tools": 0, "asked": 0, "questions": 0, "failed": []}
    after: str | None = ""
    while after is not None:
        step = await api.post("/enrich", {"after": after})
        after = step["after"]
        total = {name: total[name] + step[name] for name in total}
    return total


async def written(running: Running, tool_id: str) -> list[str]:
    held = await running.crib.store.questions.of([("default", tool_id)])
    return [one.text for one in held.get(("default", tool_id), ()) if one.source is QuestionSource.MODEL]


async def test_each_text_of_a_tool_is_asked_about_once(tmp_path: Path, server: ModelServer) -> None:
    server.says = writes
    async with run_gateway(settings(tmp_path, server)) as running, ApiClient(running.url) as api:
        tools = await register(api)
        first = await run_through(api)
        assert first == {"tools": tools, "asked": tools, "questions": tools, "failed": []}
        assert await written(running, "ref__echo") == ["Kindly echo for my aunt"]
        changes = await running.crib.store.changes.head()

        second = await run_through(api)
        assert second == {**first, "asked": 0}
        assert len(server.asked) == tools
        assert await running.crib.store.changes.head() == changes

        await api.patch("/tools/ref__echo", {"description": "Echoes what a parrot would say."})
        assert (await run_through(api))["asked"] == 1
        assert len(server.asked) == tools + 1


async def test_what_was_written_is_searched(tmp_path: Path, server: ModelServer) -> None:
    server.says = lambda prompt: json.dumps(
        {"questions": ["echo the parrot in my kitchen"] if "Tool: echo" in prompt else [writes(prompt)]}
    )
    async with run_gateway(settings(tmp_path, server)) as running, ApiClient(running.url) as api:
        await register(api)
        await run_through(api)
        await running.crib.indexer.drain()
        [result] = (await api.post("/search", {"queries": ["echo the parrot in my kitchen"]}))["results"]
        assert result["candidates"][0]["tool_id"] == "ref__echo"
        assert sorted(await running.crib.store.questions.digests()) == [("default", "ref__echo")]


async def test_a_run_that_is_broken_off_is_gone_on_with(tmp_path: Path, server: ModelServer) -> None:
    server.says = writes
    async with run_gateway(settings(tmp_path, server)) as running, ApiClient(running.url) as api:
        tools = await register(api)
        answered = iter(range(3))
        server.says = lambda prompt: writes(prompt) if next(answered, None) is not None else ""
        broken = await run_through(api)
        assert (broken["asked"], broken["questions"], len(broken["failed"])) == (tools, 3, tools - 3)
        server.fault = refused(403)
        with pytest.raises(ModelUnavailable, match="key"):
            await run_through(api)
        server.fault, server.says = None, writes
        assert await run_through(api) == {"tools": tools, "asked": tools - 3, "questions": tools, "failed": []}


async def test_without_a_language_model_one_is_asked_for(tmp_path: Path) -> None:
    async with run_gateway(Settings(data=tmp_path, port=0)) as running, ApiClient(running.url) as api:
        with pytest.raises(InvalidInput, match="TOOLCRIB_LLM_URL"):
            await api.post("/enrich", {})


async def test_the_command_says_what_it_did(tmp_path: Path, server: ModelServer) -> None:
    server.says = writes
    async with run_gateway(settings(tmp_path, server)) as running, ApiClient(running.url) as api:
        tools = await register(api)
    done = command(tmp_path, "enrich", "--json", llm_url=server.url, llm_model="small")
    assert json.loads(done.stdout) == {"tools": tools, "asked": tools, "questions": tools, "failed": []}
    done = command(tmp_path, "enrich", "ref", llm_url=server.url, llm_model="small")
    assert done.stdout.strip() == f"{tools} tools, {tools} questions; the model was asked about 0 tools."
    assert command(tmp_path, "enrich", "nobody", llm_url=server.url).returncode == 1
    assert running.url
