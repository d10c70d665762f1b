"""Requests of a client of the current revision: each stands alone, and input is asked for in the answer.

To a server of its own era they pass as they are, and so do its results, but for a type that is not said. A server
that begins with a handshake asks in the middle of a call: then the call is held, the client is told that input is
required, and its next round goes on with the held call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mcp import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INVALID_PARAMS,
    LOG_LEVEL_META_KEY,
    METHOD_NOT_FOUND,
    PROTOCOL_VERSION_META_KEY,
    LoggingLevel,
    methods,
)

from domain.errors import ToolcribError, UpstreamTimeout
from domain.identity import Principal
from gateway.mcp.transparent.capabilities import (
    announces,
    as_object,
    discovery,
    offered,
    questions_of,
    require_declared,
)
from gateway.mcp.transparent.carry import as_heard, carry, refuse, request_alone
from gateway.mcp.transparent.client import Client
from gateway.mcp.transparent.fan_in import FanIn
from gateway.mcp.transparent.held import Held, HeldCalls
from gateway.mcp.transparent.seal import Seals, State
from servers.failures import NotSent, SessionLost
from servers.negotiation import Era
from servers.relay.connection import LISTEN, RelayConnection
from servers.relay.exchange import STREAM_ENDED, Answer, Notice, Question
from servers.relay.relays import RelayLink, Relays

logger = logging.getLogger(__name__)

DISCOVER = "server/discover"
_LEVELS: tuple[str, ...] = get_args(LoggingLevel)
_NOT_FOUND_BEFORE = -32002
_ENVELOPE = frozenset(
    {PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY, LOG_LEVEL_META_KEY}
)
_COMPLETE = {"resultType": "complete"}
"""What a result is that does not say it (SEP-2322); said here, since clients of the SDK refuse one that does not."""

_ANSWER = "answer"  # the key under which a held call's question is put
_FILTERS = {
    "toolsListChanged": ("tools", "notifications/tools/list_changed"),
    "promptsListChanged": ("prompts", "notifications/prompts/list_changed"),
    "resourcesListChanged": ("resources", "notifications/resources/list_changed"),
}


class ModernClients:
    """Serves one server to all clients of the current revision."""

    def __init__(self, relays: Relays, principal: Principal) -> None:
        self._relays = relays
        self._principal = principal
        self._seals = Seals()
        self._held = HeldCalls()
        self._fan_in = FanIn(relays)
        self._goodbyes: set[asyncio.Task[None]] = set()

    async def serve(self, client: Client) -> dict[str, Any]:
        """Raises MCPError and the UpstreamError family."""
        link = await self._relays.shared(client.hello())
        connection = await link.open()
        assert connection.peer is not None
        if connection.peer.era is Era.MODERN:
            return await self._pass(client, link)
        return await self._bridge(client, link, connection)

    def close(self) -> None:
        self._held.close()

    async def _pass(self, client: Client, link: RelayLink) -> dict[str, Any]:
        """Server of the same era."""
        params = dict(client.params)
        if "requestState" in params:
            state = self._open(client)
            del params["requestState"]
            if state.upstream is not None:
                params["requestState"] = state.upstream

        async def hear(notice: Notice) -> None:
            if notice.method != STREAM_ENDED:
                await client.tell(notice.method, as_heard(notice, client))

        if client.method == LISTEN:
            return _closed(client, await self._fan_in.follow(client, link))
        result = {**_COMPLETE, **await carry(client.method, self._relays, link, params, hear, refuse)}
        if client.method == DISCOVER:
            return discovery(result)
        if client.method == "tools/list":
            self._relays.learn(params, result)
        if result.get("resultType") == "input_required":
            return self._asked(client, result)
        return result

    def _asked(self, client: Client, result: dict[str, Any]) -> dict[str, Any]:
        """Only questions the client declared to answer, and the server's state under our seal."""
        for asked in questions_of(result).values():
            require_declared(client.hello().capabilities, asked)
        if isinstance(result.get("requestState"), str):
            result["requestState"] = self._close(client, State(upstream=result["requestState"]))
        return result

    async def _bridge(self, client: Client, link: RelayLink, connection: RelayConnection) -> dict[str, Any]:
        """Server of the handshake era."""
        if client.method == DISCOVER:
            return discovery(connection.said)
        if client.method == LISTEN:
            return await self._listen(client, link, connection)
        if "requestState" in client.params:
            return await self._resume(client)
        meta = {key: value for key, value in client.meta.items() if key not in _ENVELOPE}
        params = {key: value for key, value in client.params.items() if key not in {"_meta", "inputResponses"}}
        if meta:
            params["_meta"] = meta
        await self._set_level(client, link, connection)
        if client.method in methods.INPUT_REQUIRED_METHODS:
            return await self._begin(client, link, params)

        async def hear(notice: Notice) -> None:
            await self._hear(client, notice)

        result = await carry(client.method, self._relays, link, params, hear, refuse)
        if client.method == "tools/list":
            self._relays.learn(params, result)
        return _modernised(client.method, result)

    async def _begin(self, client: Client, link: RelayLink, params: Mapping[str, Any]) -> dict[str, Any]:
        """A call that may be held; begun again when the server provably executed nothing."""
        for again in (True, False):
            connection = await link.open()
            exchange = connection.begin(client.method, params)
            try:
                return await self._until_asked(client, Held(exchange, client.hello().capabilities))
            except (SessionLost, NotSent):
                link.replace(connection)
                if exchange.started or not again:
                    raise
        raise AssertionError("the last attempt returns or raises")

    async def _until_asked(self, client: Client, held: Held) -> dict[str, Any]:
        """Follow a call until its answer or its next question."""
        patience_s = self._relays.limits.deadlines.call_s
        keep = False
        try:
            while True:
                async with asyncio.timeout(patience_s):
                    event = await held.exchange.next()
                match event:
                    case Answer(result):
                        return _modernised(client.method, result)
                    case Notice():
                        await self._hear(client, event)
                    case Question():
                        asked = {"method": event.method, "params": dict(event.params or {})}
                        require_declared(held.capabilities, asked)
                        held.question = event
                        keep = True
                        state = self._close(client, State(held=self._held.keep(held)))
                        return {
                            "resultType": "input_required",
                            "inputRequests": {_ANSWER: asked},
                            "requestState": state,
                        }
        except TimeoutError:
            raise UpstreamTimeout(
                f"The server gave no sign of life for {patience_s:g} s after {client.method}, so it was cancelled."
            ) from None
        except MCPError as error:
            if error.code == _NOT_FOUND_BEFORE and client.method == "resources/read":
                raise MCPError(INVALID_PARAMS, error.message, error.data) from error
            raise
        finally:
            if not keep:
                held.exchange.end()

    async def _resume(self, client: Client) -> dict[str, Any]:
        """The next round of a held call."""
        state = self._open(client)
        held = self._held.take(state.held) if state.held is not None else None
        if held is None or held.question is None:
            raise MCPError(INVALID_PARAMS, "The call this requestState belongs to has ended; call again without it.")
        answer = as_object(client.params.get("inputResponses")).get(_ANSWER)
        if not isinstance(answer, Mapping):  # asked again, as the specification recommends
            asked = {"method": held.question.method, "params": dict(held.question.params or {})}
            again = self._close(client, State(held=self._held.keep(held)))
            return {"resultType": "input_required", "inputRequests": {_ANSWER: asked}, "requestState": again}
        held.question.answer(answer)
        held.question = None
        return await self._until_asked(client, held)

    async def _listen(self, client: Client, link: RelayLink, connection: RelayConnection) -> dict[str, Any]:
        """Change notices of a handshake-era server, in the form of a subscription."""
        wanted, capabilities = as_object(client.params.get("notifications")), offered(connection.said)
        honoured: dict[str, Any] = {
            name: True
            for name, (kind, _) in _FILTERS.items()
            if wanted.get(name) and announces(capabilities, kind, "listChanged")
        }
        asked = wanted.get("resourceSubscriptions")
        subscribable = announces(capabilities, "resources", "subscribe")
        uris = [uri for uri in asked if isinstance(uri, str)] if isinstance(asked, list) and subscribable else []
        if uris:
            honoured["resourceSubscriptions"] = uris
        admitted = {_FILTERS[name][1] for name in honoured if name in _FILTERS}
        heard: asyncio.Queue[Notice] = asyncio.Queue()

        def listener(notice: Notice) -> None:
            uri = (notice.params or {}).get("uri")
            if notice.method in admitted or (notice.method == "notifications/resources/updated" and uri in uris):
                heard.put_nowait(notice)

        stamp = {SUBSCRIPTION_ID_META_KEY: client.request_id}
        link.listeners.add(listener)
        watched: list[str] = []
        try:
            for uri in uris:
                connection.watched[uri] += 1
                watched.append(uri)
                await request_alone(connection, "resources/subscribe", {"uri": uri})
            acknowledged = {"notifications": honoured, "_meta": stamp}
            await client.tell("notifications/subscriptions/acknowledged", acknowledged)
            while not connection.ended:
                notice = await _next(heard, connection)
                if notice is not None:
                    params = notice.params or {}
                    await client.tell(notice.method, {**params, "_meta": {**as_object(params.get("_meta")), **stamp}})
            return {"resultType": "complete", "_meta": stamp}
        finally:
            link.listeners.discard(listener)
            self._unwatch(connection, watched)

    def _unwatch(self, connection: RelayConnection, uris: Sequence[str]) -> None:
        """What nobody listens for any more is unsubscribed from, behind whoever left."""
        if connection.ended:
            return
        connection.watched.subtract(uris)
        for uri in uris:
            if not connection.watched[uri]:
                del connection.watched[uri]
                work = asyncio.create_task(_unsubscribe(connection, uri))
                self._goodbyes.add(work)
                work.add_done_callback(self._goodbyes.discard)

    async def _set_level(self, client: Client, link: RelayLink, connection: RelayConnection) -> None:
        """The handshake era has one level a connection; what a request did not ask for is left out in `_hear`."""
        level = client.meta.get(LOG_LEVEL_META_KEY)
        if level not in _LEVELS or "logging" not in offered(connection.said):
            return
        if link.log_level is None or _LEVELS.index(level) < _LEVELS.index(link.log_level):
            await request_alone(connection, "logging/setLevel", {"level": level})
            link.log_level = level

    async def _hear(self, client: Client, notice: Notice) -> None:
        if notice.method == "notifications/message":
            asked, level = client.meta.get(LOG_LEVEL_META_KEY), (notice.params or {}).get("level")
            if asked not in _LEVELS or level not in _LEVELS or _LEVELS.index(level) < _LEVELS.index(asked):
                return
        if notice.method != STREAM_ENDED:
            await client.tell(notice.method, as_heard(notice, client))

    def _close(self, client: Client, state: State) -> str:
        return self._seals.close(state, self._principal, self._relays.server.slug, _request_of(client))

    def _open(self, client: Client) -> State:
        token = client.params["requestState"]
        return self._seals.open(token, self._principal, self._relays.server.slug, _request_of(client))


def _request_of(client: Client) -> dict[str, Any]:
    return {"method": client.method, **client.params}


def _modernised(method: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """What the current revision requires in a result and the handshake era does not know."""
    added: dict[str, Any] = dict(_COMPLETE)
    if method in methods.CACHEABLE_METHODS:
        added |= {"ttlMs": 0, "cacheScope": "private"}
    return {**added, **result}


async def _unsubscribe(connection: RelayConnection, uri: str) -> None:
    try:
        await request_alone(connection, "resources/unsubscribe", {"uri": uri})
    except (MCPError, ToolcribError) as error:
        logger.debug("%s goes on telling of %s: %s", connection.server.slug, uri, error)


def _closed(client: Client, result: Mapping[str, Any]) -> dict[str, Any]:
    return {**result, "_meta": {**as_object(result.get("_meta")), SUBSCRIPTION_ID_META_KEY: client.request_id}}


async def _next(heard: asyncio.Queue[Notice], connection: RelayConnection) -> Notice | None:
    """The next notice, or None when the connection has ended first."""
    getting, ending = asyncio.create_task(heard.get()), asyncio.create_task(connection.wait_ended())
    try:
        await asyncio.wait({getting, ending}, return_when=asyncio.FIRST_COMPLETED)
        return getting.result() if getting.done() else None
    finally:
        getting.cancel()
        ending.cancel()


def known_to(method: str, version: str) -> bool:
    """Whether a method of the specification is one of this revision. Others are nobody's business but the server's."""
    return method not in methods.SPEC_CLIENT_METHODS or (method, version) in methods.CLIENT_REQUESTS


def unknown(method: str) -> MCPError:
    return MCPError(METHOD_NOT_FOUND, "Method not found", method)
