from __future__ import annotations

import pytest
from mcp.server.streamable_http import EventMessage
from mcp_types import JSONRPCNotification

from gateway.mcp.transparent.events import SessionEvents

pytestmark = pytest.mark.anyio


async def _replayed(events: SessionEvents, after: str) -> tuple[str | None, list[str | None]]:
    seen: list[str | None] = []

    async def take(event: EventMessage) -> None:
        seen.append(event.event_id)

    return await events.replay_events_after(after, take), seen


def _message() -> JSONRPCNotification:
    return JSONRPCNotification(jsonrpc="2.0", method="notifications/message")


async def test_a_replay_gives_what_came_after_on_the_same_stream_only() -> None:
    events = SessionEvents()
    first = await events.store_event("1", None)
    await events.store_event("2", _message())
    second = await events.store_event("1", _message())
    third = await events.store_event("1", _message())
    assert await _replayed(events, first) == ("1", [second, third])
    assert await _replayed(events, second) == ("1", [third])


@pytest.mark.parametrize("never_given", ["", "7", "7-1", "x-1", "1-2", "-"])
async def test_an_id_that_was_never_given_replays_nothing(never_given: str) -> None:
    events = SessionEvents()
    await events.store_event("1", _message())
    assert await _replayed(events, never_given) == (None, [])


async def test_only_the_last_events_are_kept() -> None:
    events = SessionEvents()
    first = await events.store_event("1", _message())
    ids = [await events.store_event("1", _message()) for _ in range(300)]
    assert await _replayed(events, first) == (None, [])
    assert await _replayed(events, ids[-2]) == ("1", [ids[-1]])
