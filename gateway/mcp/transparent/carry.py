"""One request carried through: to the upstream, its notices back as they come, its answer last.

Refuses to know: eras. The four ways to cross between them are `modern_client.py` and `handshake_client.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from mcp import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp_types import HEADER_MISMATCH, REQUEST_TIMEOUT

from domain.errors import UpstreamTimeout
from gateway.mcp.transparent.capabilities import as_object
from gateway.mcp.transparent.client import Client
from servers.failures import ConnectionLost, NotSent, SessionLost
from servers.relay.connection import LISTEN, RelayConnection
from servers.relay.exchange import Answer, Exchange, Notice, Question
from servers.relay.relays import RelayLink, Relays

Hear = Callable[[Notice], Awaitable[None]]
Ask = Callable[[Question], Awaitable[None]]

_ATTEMPTS = 2
_THINKING_S = 600.0
_REPEATABLE = frozenset(
    {
        "server/discover", "tools/list", "prompts/list", "prompts/get", "resources/list", "resources/templates/list",
        "resources/read", "completion/complete", "logging/setLevel", "resources/subscribe", "resources/unsubscribe",
    }
)  # fmt: skip
"""Requests that change nothing, or the same twice: done again when the connection died half-way."""


async def carry(
    method: str, relays: Relays, link: RelayLink, params: Mapping[str, Any], hear: Hear, ask: Ask
) -> Mapping[str, Any]:
    """The result object. Raises MCPError with the server's own error, and the UpstreamError family."""
    listed = False
    attempt = 1
    while True:
        connection = await link.open()
        mirrored = relays.mirrored(params.get("name")) if method == "tools/call" else None
        exchange = connection.begin(method, params, mirrored)
        try:
            return await follow(exchange, relays.limits.deadlines.call_s, hear, ask)
        except (SessionLost, NotSent):
            link.replace(connection)
            if attempt == _ATTEMPTS or exchange.started:
                raise
        except ConnectionLost:
            if attempt == _ATTEMPTS or exchange.started or method not in _REPEATABLE:
                raise
        except MCPError as error:
            # The headers its schema wants mirrored are unknown or stale; the server executed nothing.
            if error.code != HEADER_MISMATCH or listed or method != "tools/call":
                raise
            await list_tools(relays, link, params)
            listed = True
            continue
        finally:
            exchange.end()
        attempt += 1


async def list_tools(relays: Relays, link: RelayLink, like: Mapping[str, Any]) -> None:
    """Learn every schema, with the envelope of the request `like`."""
    meta = {key: value for key, value in as_object(like.get("_meta")).items() if key != "progressToken"}
    envelope = {"_meta": meta} if meta else {}
    params: dict[str, Any] = dict(envelope)
    connection = await link.open()
    for _ in range(relays.limits.caps.pages):
        exchange = connection.begin("tools/list", params)
        try:
            page = await follow(exchange, relays.limits.deadlines.list_s, _deaf, refuse)
        finally:
            exchange.end()
        relays.learn(params, page)
        if not page.get("nextCursor"):
            return
        params = {**envelope, "cursor": page["nextCursor"]}


async def follow(exchange: Exchange, patience_s: float, hear: Hear, ask: Ask) -> Mapping[str, Any]:
    """Read until the answer. The deadline starts anew with every sign of life, and waits while somebody is asked."""
    # Plain tasks, not a task group: that would wrap the server's own error into a group.
    asked: set[asyncio.Task[None]] = set()
    try:
        while True:
            endless = bool(asked) or exchange.method == LISTEN
            try:
                async with asyncio.timeout(None if endless else patience_s):
                    event = await exchange.next()
            except TimeoutError:
                raise UpstreamTimeout(
                    f"The server gave no sign of life for {patience_s:g} s after {exchange.method}, so it was "
                    "cancelled; try again, or allow more time."
                ) from None
            match event:
                case Answer(result):
                    return result
                case Question():
                    task = asyncio.create_task(_answer(ask, event))
                    asked.add(task)
                    task.add_done_callback(asked.discard)
                    event.reply.add_done_callback(partial(_withdrawn, task))
                case Notice():
                    await hear(event)
    finally:
        for task in asked:
            task.cancel()


def _withdrawn(task: asyncio.Task[None], reply: asyncio.Future[dict[str, Any]]) -> None:
    """The server no longer wants to know: nor is its client asked any longer."""
    if reply.cancelled():
        task.cancel()


async def _answer(ask: Ask, question: Question) -> None:
    """Ask whoever can be asked, for as long as a person may think about it."""
    try:
        async with asyncio.timeout(_THINKING_S):
            await ask(question)
    except TimeoutError:
        question.refuse(MCPError(REQUEST_TIMEOUT, f"The client did not answer {question.method} in {_THINKING_S:g} s"))
    except MCPError as error:
        question.refuse(error)


async def request_alone(connection: RelayConnection, method: str, params: Mapping[str, Any]) -> None:
    """A request of our own, to its end."""
    exchange = connection.begin(method, params)
    try:
        while not isinstance(await exchange.next(), Answer):
            """What else it says is nobody's."""
    finally:
        exchange.end()


def as_heard(notice: Notice, client: Client) -> Mapping[str, Any] | None:
    """A notice's params under the client's own progress token and subscription id instead of this hop's."""
    params = notice.params
    if params is None:
        return None
    if notice.method == "notifications/progress":
        return {**params, "progressToken": client.meta.get("progressToken")}
    meta = params.get("_meta")
    if isinstance(meta, Mapping) and SUBSCRIPTION_ID_META_KEY in meta:
        return {**params, "_meta": {**meta, SUBSCRIPTION_ID_META_KEY: client.request_id}}
    return params


async def refuse(question: Question) -> None:
    """Where there is nobody to ask."""
    question.refuse(MCPError(-32601, f"Nobody can be asked for {question.method} here"))


async def _deaf(_notice: Notice) -> None:
    """A request of our own: its progress is nobody's."""
