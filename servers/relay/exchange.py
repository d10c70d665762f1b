"""One request under way at an upstream, as its caller sees it: what the server says meanwhile, then its answer.

Refuses to know: transports, eras, and who asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp import MCPError
from mcp_types import INTERNAL_ERROR

from domain.errors import UpstreamError

Failure = MCPError | UpstreamError
"""The server's own error as it came, or ours about the server."""

STREAM_ENDED = ""
"""The method of a notice of our own: the server ended the stream, and is asked for the rest. No server can send it."""

_BACKLOG = 1024  # notices that nobody has read yet; more are dropped, an answer never is


@dataclass(frozen=True, slots=True)
class Notice:
    """A notification."""

    method: str
    params: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A request of the server to its client. Whoever takes it settles `reply`."""

    method: str
    params: Mapping[str, Any] | None
    reply: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def answer(self, result: Mapping[str, Any]) -> None:
        if not self.reply.done():
            self.reply.set_result(dict(result))

    def refuse(self, error: MCPError) -> None:
        if not self.reply.done():
            self.reply.set_exception(error)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result object of the reply, untouched."""

    result: Mapping[str, Any]


class Exchange:
    """Read `next` until the Answer, which is raised instead when it is an error. `end` stops it at any time."""

    def __init__(self, number: int, method: str, params: Mapping[str, Any]) -> None:
        self.number = number  # the request id at this hop, also its progress token
        self.method = method
        self.params = params
        self.started = False  # whether the server said anything yet
        self._events: asyncio.Queue[Notice | Question | Answer | Failure] = asyncio.Queue()
        self._questions: set[Question] = set()
        self.over = asyncio.get_running_loop().create_future()
        """Done when the answer is there; cancelled when nobody wants it any more."""

    def put(self, event: Notice | Question) -> None:
        """In the order of the wire; never waits."""
        self.started = True
        if self.over.done():
            if isinstance(event, Question):
                event.refuse(MCPError(INTERNAL_ERROR, "The request this belongs to has ended"))
            return
        if isinstance(event, Question):
            self._questions.add(event)
            event.reply.add_done_callback(lambda _reply: self._questions.discard(event))
        elif self._events.qsize() >= _BACKLOG:
            return
        self._events.put_nowait(event)

    def finish(self, outcome: Answer | Failure) -> None:
        if not self.over.done():
            self.over.set_result(None)
            self._events.put_nowait(outcome)

    async def next(self) -> Notice | Question | Answer:
        """Raises MCPError with the server's own error, or UpstreamError."""
        event = await self._events.get()
        if isinstance(event, MCPError | UpstreamError):
            raise event.with_traceback(None)
        return event

    def end(self) -> None:
        """Nobody waits any more: the request is cancelled at the server unless it was answered already."""
        if not self.over.done():
            self.over.cancel()
        for question in list(self._questions):
            question.refuse(MCPError(INTERNAL_ERROR, "The client went away"))
