"""A session with a client that began with a handshake: it is asked in the middle of its calls.

A server of its own era has a connection of this session's own, and everything passes as it is. A server of the
current revision is asked in that era's way: every request under an envelope, input in rounds, notices by subscription.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from typing import Any

from mcp import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    INVALID_REQUEST,
    LOG_LEVEL_META_KEY,
    PROTOCOL_VERSION_META_KEY,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_HANDSHAKE_VERSION, LATEST_MODERN_VERSION

from domain.errors import ToolcribError
from gateway.mcp.transparent.capabilities import (
    announces,
    as_object,
    initialization,
    offered,
    questions_of,
    require_declared,
)
from gateway.mcp.transparent.carry import as_heard, carry, follow, refuse, request_alone
from gateway.mcp.transparent.client import Client
from gateway.mcp.transparent.modern_client import unknown
from servers.negotiation import Era
from servers.relay.connection import LISTEN, RelayConnection
from servers.relay.exchange import STREAM_ENDED, Notice, Question
from servers.relay.hello import Hello
from servers.relay.relays import RelayLink, Relays

logger = logging.getLogger(__name__)

_MOST_ROUNDS = 16
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0  # before a lost subscription is begun again
_OURS = frozenset({"notifications/initialized", "notifications/cancelled"})
_LEFT_OUT = frozenset({"resultType", "ttlMs", "cacheScope"})


class HandshakeSession:
    """Lives as long as the client's session."""

    def __init__(self, relays: Relays, link: RelayLink, hello: Hello, client: Client) -> None:
        self._relays = relays
        self._link = link
        self._hello = hello
        self._connection = client.connection
        self._settled: RelayConnection | None = None
        self._level: str | None = None
        self._uris: set[str] = set()
        self._listening: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()

    @classmethod
    async def begin(cls, relays: Relays, client: Client) -> tuple[HandshakeSession, dict[str, Any]]:
        """The session, and the result of `initialize`. Raises the UpstreamError family."""
        params = client.params
        wanted = params.get("protocolVersion")
        version = wanted if wanted in HANDSHAKE_PROTOCOL_VERSIONS else LATEST_HANDSHAKE_VERSION
        hello = Hello(as_object(params.get("capabilities")), as_object(params.get("clientInfo")), str(version))
        link = await relays.of_session(hello)
        session = cls(relays, link, hello, client)
        link.listeners.add(session.hear_apart)
        try:
            connection = await link.open()
        except ToolcribError:
            await session.close()
            raise
        await session.settle(connection)
        return session, initialization(connection.said, relays.server.slug, str(version))

    async def close(self) -> None:
        """The client's session has ended."""
        self._link.listeners.discard(self.hear_apart)
        for task in [*self._work, *([self._listening] if self._listening else [])]:
            task.cancel()
        await self._relays.release(self._link)

    async def serve(self, client: Client) -> dict[str, Any]:
        """One request. Raises MCPError and the UpstreamError family."""
        if client.method == "initialize":
            raise MCPError(INVALID_REQUEST, "This session has been initialized already")
        connection = await self._link.open()
        if connection is not self._settled:
            await self.settle(connection)
        if _era(connection) is not Era.HANDSHAKE:
            return await self._bridge(client, connection)
        result = await self._carry(client, client.params)
        self._remember(client)
        return result

    async def settle(self, connection: RelayConnection) -> None:
        """On the first connection, and on each that replaces one that was lost: what the session set up before."""
        self._settled = connection
        if _era(connection) is not Era.HANDSHAKE:
            self._link.listeners.discard(self.hear_apart)
            self.listen(connection)
            return
        self._link.asker = self.ask_apart
        if self._level is not None:
            await request_alone(connection, "logging/setLevel", {"level": self._level})
        for uri in sorted(self._uris):
            await request_alone(connection, "resources/subscribe", {"uri": uri})

    def _remember(self, client: Client) -> None:
        match client.method:
            case "logging/setLevel":
                self._level = str(client.params.get("level"))
            case "resources/subscribe":
                self._uris.add(str(client.params.get("uri")))
            case "resources/unsubscribe":
                self._uris.discard(str(client.params.get("uri")))

    async def pass_on(self, client: Client) -> None:
        """One notification. The current revision has none from a client."""
        if client.method in _OURS:
            return
        connection = await self._link.open()
        if _era(connection) is Era.HANDSHAKE:
            await connection.notify(client.method, client.params or None)

    def hear_apart(self, notice: Notice) -> None:
        """What the server says between requests goes to the session's own stream."""
        self._start(self._connection.outbound.notify(notice.method, notice.params))

    def ask_apart(self, question: Question) -> None:
        """What the server asks between requests, likewise, once the client is ready for it."""
        self._start(self._ask_apart(question))

    def listen(self, connection: RelayConnection) -> None:
        """Subscribe to what this session is to be told; anew when that changed."""
        if self._listening is not None:
            self._listening.cancel()
        capabilities = offered(connection.said)
        wanted: dict[str, Any] = {
            f"{kind}ListChanged": True
            for kind in ("tools", "prompts", "resources")
            if announces(capabilities, kind, "listChanged")
        }
        if self._uris:
            wanted["resourceSubscriptions"] = sorted(self._uris)
        self._listening = asyncio.create_task(self._listen(wanted)) if wanted else None

    async def _listen(self, wanted: Mapping[str, Any]) -> None:
        """Keep the subscription, and begin it again when it was lost, as long as the session lives."""
        pause_s = _FIRST_PAUSE_S

        async def hear(notice: Notice) -> None:
            nonlocal pause_s
            pause_s = _FIRST_PAUSE_S
            if notice.method != "notifications/subscriptions/acknowledged":
                await self._connection.outbound.notify(notice.method, _as_apart(notice))

        while True:
            try:
                connection = await self._link.open()
                exchange = connection.begin(LISTEN, self._enveloped({"notifications": dict(wanted)}))
                try:
                    await follow(exchange, 0.0, hear, refuse)
                finally:
                    exchange.end()
            except MCPError:
                return  # it has no subscriptions: its lists are asked for again when they are needed
            except ToolcribError as error:
                logger.debug("subscription to %s lost: %s", self._relays.server.slug, error.message)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    async def _bridge(self, client: Client, connection: RelayConnection) -> dict[str, Any]:
        """Server of the current revision."""
        capabilities = offered(connection.said)
        match client.method:
            case "ping":
                return {}
            case "logging/setLevel" if "logging" in capabilities:
                self._level = str(client.params.get("level"))
                return {}
            case "resources/subscribe" | "resources/unsubscribe" if announces(capabilities, "resources", "subscribe"):
                change = self._uris.add if client.method.endswith("/subscribe") else self._uris.discard
                change(str(client.params.get("uri")))
                self.listen(connection)
                return {}
            case "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe":
                raise unknown(client.method)
        params = self._enveloped(client.params)
        for _ in range(_MOST_ROUNDS):
            result = await self._carry(client, params)
            if result.get("resultType") != "input_required":
                return {key: value for key, value in result.items() if key not in _LEFT_OUT}
            params = {**params, "inputResponses": await self._answers(client, questions_of(result))}
            params.pop("requestState", None)
            if "requestState" in result:
                params["requestState"] = result["requestState"]
        raise MCPError(INVALID_REQUEST, f"The server asked for input {_MOST_ROUNDS} times without an end")

    async def _answers(self, client: Client, requests: Mapping[str, Any]) -> dict[str, Any]:
        """The client's answers to the questions of one round, asked on the stream of its call."""
        for asked in requests.values():
            require_declared(self._hello.capabilities, asked)
        return {key: await client.ask(asked["method"], asked.get("params")) for key, asked in requests.items()}

    async def _carry(self, client: Client, params: Mapping[str, Any]) -> dict[str, Any]:
        async def hear(notice: Notice) -> None:
            if notice.method == STREAM_ENDED:
                await client.end_stream()
            else:
                await client.tell(notice.method, as_heard(notice, client))

        async def ask(question: Question) -> None:
            question.answer(await client.ask(question.method, question.params))

        result = await carry(client.method, self._relays, self._link, params, hear, ask)
        if client.method == "tools/list":
            self._relays.learn(params, result)
        return dict(result)

    async def _ask_apart(self, question: Question) -> None:
        await self._connection.initialized.wait()
        try:
            question.answer(await self._connection.outbound.send_raw_request(question.method, question.params))
        except MCPError as error:
            question.refuse(error)

    def _enveloped(self, params: Mapping[str, Any]) -> dict[str, Any]:
        meta = {
            **as_object(params.get("_meta")),
            PROTOCOL_VERSION_META_KEY: LATEST_MODERN_VERSION,
            CLIENT_INFO_META_KEY: dict(self._hello.client_info),
            CLIENT_CAPABILITIES_META_KEY: dict(self._hello.capabilities),
        }
        if self._level is not None:
            meta[LOG_LEVEL_META_KEY] = self._level
        return {**params, "_meta": meta}

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)


def _as_apart(notice: Notice) -> dict[str, Any] | None:
    """A subscription's notice as a session hears it: without the subscription's id."""
    params = dict(notice.params or {})
    meta = {
        key: value for key, value in as_object(params.pop("_meta", None)).items() if key != SUBSCRIPTION_ID_META_KEY
    }
    return {**params, "_meta": meta} if meta else params or None


def _era(connection: RelayConnection) -> Era:
    assert connection.peer is not None
    return connection.peer.era
