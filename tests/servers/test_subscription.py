"""One subscription per upstream, begun again when it is lost, and not when it is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from mcp import MCPError
from mcp.client.subscriptions import SubscriptionLost
from mcp_types import INTERNAL_ERROR, METHOD_NOT_FOUND

from servers import connection
from servers.limits import Backoff, Limits
from servers.pool import ServerPool
from tests.servers.conftest import PATIENT
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio

AT_ONCE = Backoff(first_s=0.0, process_cap_s=0.0)


class Script:
    """What becomes of each subscription in turn: notices, then an error; the last one lasts."""

    def __init__(self, *lives: tuple[int, Exception | None]) -> None:
        self.begun = 0
        self.over = asyncio.Event()
        self.notices = asyncio.Queue[None]()
        self._lives: Iterator[tuple[int, Exception | None]] = iter(lives)

    @asynccontextmanager
    async def listen(self, _session: object, *, tools_list_changed: bool) -> AsyncIterator[AsyncIterator[None]]:
        assert tools_list_changed
        self.begun += 1
        notices, error = next(self._lives, (0, None))
        if error is not None and not notices:
            raise error
        yield self._events(notices, error)

    async def _events(self, notices: int, error: Exception | None) -> AsyncIterator[None]:
        for _ in range(notices):
            yield None
        if error is not None:
            raise error
        self.over.set()
        await asyncio.Event().wait()


async def run(script: Script, monkeypatch: pytest.MonkeyPatch, calls: int = 1) -> ServerPool:
    monkeypatch.setattr(connection, "listen", script.listen)
    pool = ServerPool(
        Limits(PATIENT, backoff=AT_ONCE), on_list_changed=lambda _tenant, _slug: script.notices.put_nowait(None)
    )
    server = stdio_server("reference")
    await asyncio.gather(*(pool.call(server, "echo", {"text": "x"}) for _ in range(calls)))
    return pool


async def test_a_lost_subscription_is_begun_again_and_what_was_missed_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(
        (2, SubscriptionLost("gone")), (0, MCPError(INTERNAL_ERROR, "not now")), (0, TimeoutError()), (1, None)
    )
    pool = await run(script, monkeypatch)
    await script.over.wait()
    assert script.begun == 4
    assert script.notices.qsize() == 2 + 1 + 1  # heard, made up for, heard
    await pool.aclose()


async def test_many_callers_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script((0, None))
    pool = await run(script, monkeypatch, calls=12)
    await script.over.wait()
    assert script.begun == 1
    await pool.aclose()


async def test_a_refused_one_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script((0, MCPError(METHOD_NOT_FOUND, "no such method")))
    pool = await run(script, monkeypatch)
    await pool.call(stdio_server("reference"), "echo", {"text": "still there"})
    assert script.begun == 1
    await pool.aclose()
