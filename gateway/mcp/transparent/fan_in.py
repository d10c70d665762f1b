"""One subscription at a server for all clients of the current revision that want to hear the same of it.

A subscription costs its server a stream for as long as it lasts, and clients of one kind ask for the same. Refuses to
know: what notices mean, and the handshake era, which has no subscriptions.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from mcp import MCPError

from domain.canonical import canonical_json
from domain.errors import Overloaded, ToolcribError, UpstreamUnreachable
from gateway.mcp.transparent.capabilities import as_object
from gateway.mcp.transparent.carry import as_heard, carry, refuse
from gateway.mcp.transparent.client import Client
from servers.relay.connection import LISTEN
from servers.relay.exchange import STREAM_ENDED, Notice
from servers.relay.relays import RelayLink, Relays

ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_MOST_EARS = 4096
_BACKLOG = 1024  # different notices that one client has not read yet; beyond it the oldest are dropped


class FanIn:
    """The subscriptions at one server."""

    def __init__(self, relays: Relays) -> None:
        self._relays = relays
        self._feeds: dict[str, _Feed] = {}

    async def follow(self, client: Client, link: RelayLink) -> Mapping[str, Any]:
        """Tell the client what it wants to hear; the server's result once the subscription has ended.

        Raises MCPError with the server's own error, the UpstreamError family, and Overloaded.
        """
        if sum(len(feed.ears) for feed in self._feeds.values()) >= _MOST_EARS:
            raise Overloaded(
                f"{_MOST_EARS} clients listen to {self._relays.server.slug!r} already.", retry_after_s=30.0
            )
        key = canonical_json({name: value for name, value in client.params.items() if name != "_meta"})
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = _Feed()
            feed.work = asyncio.create_task(self._feed(key, feed, link, _shared(client.params)))
        ear = feed.join()
        try:
            while (notice := await ear.next()) is not None:
                await client.tell(notice.method, as_heard(notice, client))
            return feed.result()
        finally:
            feed.ears.discard(ear)
            if not feed.ears:
                self._forget(key, feed)
                feed.work.cancel()

    async def _feed(self, key: str, feed: _Feed, link: RelayLink, params: Mapping[str, Any]) -> None:
        async def hear(notice: Notice) -> None:
            feed.say(notice)

        try:
            feed.outcome = await carry(LISTEN, self._relays, link, params, hear, refuse)
        except (MCPError, ToolcribError) as error:
            feed.outcome = error
        finally:
            self._forget(key, feed)  # whoever comes now begins another one
            feed.end()

    def _forget(self, key: str, feed: _Feed) -> None:
        if self._feeds.get(key) is feed:
            del self._feeds[key]


class _Feed:
    """A subscription under way, and who hears it."""

    work: asyncio.Task[None]

    def __init__(self) -> None:
        self.ears: set[_Ear] = set()
        self.outcome: Mapping[str, Any] | Exception = UpstreamUnreachable("The subscription ended; begin it again.")
        self._acknowledged: Notice | None = None

    def join(self) -> _Ear:
        """Every client hears first what the server agreed to, whenever it comes."""
        ear = _Ear()
        if self._acknowledged is not None:
            ear.put(self._acknowledged)
        self.ears.add(ear)
        return ear

    def say(self, notice: Notice) -> None:
        if notice.method == STREAM_ENDED:
            return
        if notice.method == ACKNOWLEDGED:
            self._acknowledged = notice
        for ear in self.ears:
            ear.put(notice)

    def end(self) -> None:
        for ear in self.ears:
            ear.close()

    def result(self) -> Mapping[str, Any]:
        if isinstance(self.outcome, Exception):
            raise self.outcome.with_traceback(None)
        return self.outcome


class _Ear:
    """What one client has yet to be told. The same notice waits once, however often it came."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[str, Notice] = OrderedDict()
        self._ended = False
        self._news = asyncio.Event()

    def put(self, notice: Notice) -> None:
        self._waiting.setdefault(canonical_json([notice.method, notice.params]), notice)
        if len(self._waiting) > _BACKLOG:
            self._waiting.popitem(last=False)
        self._news.set()

    def close(self) -> None:
        self._ended = True
        self._news.set()

    async def next(self) -> Notice | None:
        """The notice that waits longest; None when all are told and the subscription has ended."""
        while not self._waiting and not self._ended:
            self._news.clear()
            await self._news.wait()
        return self._waiting.popitem(last=False)[1] if self._waiting else None


def _shared(params: Mapping[str, Any]) -> dict[str, Any]:
    """The first client's request without what is its alone."""
    meta = {name: value for name, value in as_object(params.get("_meta")).items() if name != "progressToken"}
    return {**params, "_meta": meta}
