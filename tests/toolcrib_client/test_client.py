"""The Python client against a real gateway process and a real MCP server behind it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.servers import Transport
from examples.agent_loop import main as agent_loop
from tests.conftest import ROOT
from tests.e2e.running import command, serving
from tests.upstreams.running import http_upstream
from toolcrib_client import Toolcrib, ToolcribError

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    data: Path = tmp_path_factory.mktemp("client")
    async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
        with serving(data) as gateway:
            added = await asyncio.to_thread(command, data, "servers", "add", "ref", "--url", upstream.url)
            assert added.returncode == 0, added.stderr
            yield gateway.url


async def test_a_loop_binds_what_a_turn_says_and_runs_whatever_name_its_model_chose(address: str) -> None:
    async with Toolcrib(address) as crib:
        session = await crib.open(mode="hybrid", max_tools=20)
        found = json.loads((await session.run("search_tools", {"queries": ["add two numbers"]})).text)
        assert "ref__add" in [tool["name"] for tool in found]
        turn = await session.turn(["add 2 and 3"], format="openai")
        assert {"search_tools", "ref__add"} <= set(turn.names)
        assert all(tool["type"] == "function" for tool in turn.tools)
        result = await session.run("ref__add", {"a": 2, "b": 3})
        assert (result.text, result.is_error) == ("5", False)
        assert "Not held: ref__nope" in (await session.run("remove_tools", {"names": ["ref__nope"]})).text
        uses = {held.tool_id: held.uses for held in (await session.memory()).held}
        assert uses["ref__add"] == 1
        await session.forget()


async def test_a_workflow_turn_needs_no_search_by_the_model(address: str) -> None:
    async with Toolcrib(address) as crib:
        session = await crib.open(mode="workflow")
        turn = await session.turn(["give this text back"], format="anthropic", k=3)
        assert "ref__echo" in turn.names
        assert {"name", "input_schema"} <= turn.tools[0].keys()
        assert (turn.number, turn.queries, turn.degraded) == (1, ("give this text back",), ())


async def test_what_left_is_named_and_comes_back_without_a_search(address: str) -> None:
    async with Toolcrib(address) as crib:
        session = await crib.open(mode="lru", idle_turns=1)
        await session.search("add two numbers", k=1)
        turn = await session.turn(["something else"])
        assert turn.folded == ("ref__add",)
        change = await session.edit(add=["ref__add"], pin=["ref__add"])
        assert change.added == ("ref__add",)
        assert (await session.turn(["and something else"])).folded == ()
        assert [held.pinned for held in (await session.memory()).held] == [True]


async def test_a_session_is_found_again_by_its_handle_and_not_by_another(address: str) -> None:
    async with Toolcrib(address) as crib:
        first = await crib.open()
        await first.search("add two numbers", k=1)
        again = crib.session(first.handle)
        assert [held.tool_id for held in (await again.memory()).held] == ["ref__add"]
        with pytest.raises(ToolcribError) as error:
            await crib.session("s_" + "0" * 32).memory()
        assert (error.value.code, error.value.status) == ("session_not_found", 404)


async def test_errors_are_one_exception_with_a_code_and_a_tools_own_failure_is_a_result(address: str) -> None:
    async with Toolcrib(address) as crib:
        assert (await crib.call("ref__fail")).is_error
        with pytest.raises(ToolcribError, match="did you mean ref__echo") as unknown:
            await crib.call("ref__ecco", {"text": "x"})
        assert unknown.value.code == "tool_not_found"
        with pytest.raises(ToolcribError, match="between 1 and 4096"):
            await crib.open(max_tools=0)
    async with Toolcrib("http://127.0.0.1:9") as nobody:
        with pytest.raises(ToolcribError, match="does not answer") as gone:
            await nobody.search("x")
        assert (gone.value.code, gone.value.status) == ("unreachable", 0)


async def test_the_example_runs_to_its_end_and_leaves_no_session(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await agent_loop(address, ["give this text back", "add two numbers"])
    said = capsys.readouterr().out
    assert "turn 2: add two numbers" in said
    assert "ref__add" in said


def test_the_client_needs_nothing_of_toolcrib_but_itself() -> None:
    """In a fresh interpreter: what its import brings along, of this repository."""
    script = (
        "import sys, toolcrib_client; rooms = "
        "{'domain', 'servers', 'index', 'store', 'sync', 'policy_client', 'gateway', 'mcp', 'sqlalchemy', 'pydantic'};"
        "print(sorted(rooms & {name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
