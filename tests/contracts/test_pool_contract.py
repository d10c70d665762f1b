"""The real pool and its fake give the same answers to the same questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.errors import InvalidInput, UpstreamRefused, UpstreamTimeout, UpstreamUnreachable
from domain.servers import Launch, ServerStatus, Transport, UpstreamServer
from servers.fake import FakePool, FakeUpstream, text_result
from servers.pool import ServerPool
from servers.ports import Pool
from tests.upstreams.reference import EXTRA, TOOLS
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio

DEAD = UpstreamServer("t", "dead", "Dead", Launch(Transport.STDIO, ("/no/such/command",)))


@dataclass
class Changes:
    """Announced changes; `heard` is set by the first."""

    seen: list[tuple[str, str]] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, tenant: str, slug: str) -> None:
        self.seen.append((tenant, slug))
        self.heard.set()


@dataclass
class Setup:
    """A pool of either kind, with the reference upstream behind `server`."""

    pool: Pool
    server: UpstreamServer
    changes: Changes


@asynccontextmanager
async def real() -> AsyncIterator[Setup]:
    changes = Changes()
    pool = ServerPool(on_list_changed=changes)
    try:
        yield Setup(pool, stdio_server("reference"), changes)
    finally:
        await pool.aclose()


@asynccontextmanager
async def fake() -> AsyncIterator[Setup]:
    changes = Changes()
    upstream = FakeUpstream(TOOLS)
    server = stdio_server("reference")
    dead = FakeUpstream(down=UpstreamUnreachable("Server 'dead' cannot start: the command was not found; install it."))
    pool = FakePool({("t", "up"): upstream, ("t", "dead"): dead}, on_list_changed=changes)

    async def echo(arguments: Any) -> dict[str, Any]:
        return text_result(arguments["text"])

    async def fail(_arguments: Any) -> dict[str, Any]:
        return text_result("it failed", is_error=True)

    async def slow(arguments: Any) -> dict[str, Any]:
        await asyncio.sleep(arguments["seconds"])
        return text_result("awake")

    async def set_extra(arguments: Any) -> dict[str, Any]:
        upstream.tools = [*TOOLS, EXTRA] if arguments["present"] else TOOLS
        pool.announce_change("t", "up")
        return text_result("done")

    upstream.handlers = {"echo": echo, "fail": fail, "slow": slow, "set_extra": set_extra}
    yield Setup(pool, server, changes)


@pytest.fixture(params=[real, fake], ids=["real", "fake"])
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[Setup]:
    async with request.param() as made:
        yield made


async def test_every_tool_is_listed_in_the_servers_order_and_losslessly(setup: Setup) -> None:
    listing = await setup.pool.list_tools(setup.server)
    assert [document.raw for document in listing.documents] == TOOLS
    assert listing.warnings == ()
    assert listing.protocol_version == "2026-07-28"


async def test_a_call_gives_the_servers_result(setup: Setup) -> None:
    result = await setup.pool.call(setup.server, "echo", {"text": "héllo"})
    assert result.raw["content"] == [{"type": "text", "text": "héllo"}]
    assert not result.is_error


async def test_a_tool_that_failed_is_an_answer_not_an_exception(setup: Setup) -> None:
    result = await setup.pool.call(setup.server, "fail", {})
    assert result.is_error
    assert result.raw["content"] == [{"type": "text", "text": "it failed"}]


async def test_an_unknown_tool_is_refused_with_the_servers_code(setup: Setup) -> None:
    with pytest.raises(UpstreamRefused, match="Unknown tool: nope") as refusal:
        await setup.pool.call(setup.server, "nope", {})
    assert refusal.value.rpc_code == -32602


async def test_a_call_ends_at_its_deadline(setup: Setup) -> None:
    with pytest.raises(UpstreamTimeout, match="did not answer the call of 'slow'"):
        await setup.pool.call(setup.server, "slow", {"seconds": 60}, timeout_s=0.5)


@pytest.mark.parametrize("bad", [float("nan"), "\ud800", {1, 2}], ids=["nan", "surrogate", "set"])
async def test_arguments_that_are_no_json_are_refused_before_they_are_sent(setup: Setup, bad: object) -> None:
    with pytest.raises(InvalidInput, match="arguments of 'echo' are not valid JSON"):
        await setup.pool.call(setup.server, "echo", {"text": bad})


async def test_a_change_of_the_tools_is_announced_and_listed(setup: Setup) -> None:
    await setup.pool.list_tools(setup.server)
    await setup.pool.call(setup.server, "set_extra", {"present": True})
    await asyncio.wait_for(setup.changes.heard.wait(), 10)
    assert set(setup.changes.seen) == {("t", "up")}
    assert [document.name for document in (await setup.pool.list_tools(setup.server)).documents][-1] == "extra"


async def test_health_is_idle_then_ready_then_idle_again(setup: Setup) -> None:
    assert setup.pool.health("t", "up").status is ServerStatus.IDLE
    await setup.pool.list_tools(setup.server)
    health = setup.pool.health("t", "up")
    assert (health.status, health.protocol_version) == (ServerStatus.READY, "2026-07-28")
    await setup.pool.drop("t", "up")
    assert setup.pool.health("t", "up").status is ServerStatus.IDLE


async def test_a_dead_server_is_named_and_marked_and_does_not_hide_the_others(setup: Setup) -> None:
    with pytest.raises(UpstreamUnreachable, match="Server 'dead' cannot start") as failure:
        await setup.pool.list_tools(DEAD)
    health = setup.pool.health("t", "dead")
    assert (health.status, health.error) == (ServerStatus.FAILED, failure.value.message)
    assert len((await setup.pool.list_tools(setup.server)).documents) == len(TOOLS)


async def test_a_server_of_another_tenant_is_another_server(setup: Setup) -> None:
    await setup.pool.list_tools(setup.server)
    assert setup.pool.health("other", "up").status is ServerStatus.IDLE
    assert setup.pool.stderr("other", "up") == ""
