"""One connection to one upstream server, owned by one task.

The SDK's sessions live in cancel scopes: whoever awaits inside one is cancelled when the upstream dies (its issue
#3560), and a scope left by another task breaks the event loop's bookkeeping (#79). So only the owner task ever enters
the SDK. Callers hand it a request and wait for a plain future, which a dead upstream fails and never cancels.

Refuses to know: tools, tenants, how many callers there are, whether a failed request may be repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp import ClientSession, MCPError
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost, listen
from mcp.shared.dispatcher import OnNotify, OnNotifyIntercept, OnRequest
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, ToolListChangedNotification

from domain.errors import UpstreamError
from domain.servers import Transport, UpstreamServer
from servers.direct.calls import DirectCalls
from servers.direct.http import NotDirect
from servers.failures import (
    NotSent,
    connect_failed,
    connect_timed_out,
    connection_lost,
    died_at_start,
    is_closed,
    request_failed,
)
from servers.limits import Limits
from servers.negotiation import Era, Negotiator, Peer
from servers.opening import open_streams
from servers.requests import CLIENT_INFO, RawRequest, send_raw
from servers.transports.wire import StderrRing, WireNotes

logger = logging.getLogger(__name__)
_chance = random.random


@dataclass(slots=True, eq=False)
class _Job:
    """A request and the future its caller waits for. A cancelled future cancels the request."""

    request: RawRequest
    answer: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def fail(self, error: UpstreamError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class _WatchedDispatcher(JSONRPCDispatcher[Any]):
    """Tells its connection's notes when the read stream has ended."""

    def __init__(self, streams: Any, notes: WireNotes) -> None:
        super().__init__(*streams)
        self._notes = notes

    async def run(
        self,
        on_request: OnRequest,
        on_notify: OnNotify,
        on_notify_intercept: OnNotifyIntercept | None = None,
        *,
        task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        try:
            await super().run(on_request, on_notify, on_notify_intercept, task_status=task_status)
        finally:
            self._notes.over.set()


class Connection:
    """Opens itself in a task of its own; `ready` waits for that. Once `ended` it is never used again."""

    def __init__(
        self,
        server: UpstreamServer,
        limits: Limits,
        *,
        stderr: StderrRing | None = None,
        era: Era | None = None,
        on_list_changed: Callable[[], None] = lambda: None,
        opens_by: float | None = None,
    ) -> None:
        """`opens_by`, by the loop's clock: of a connection for which another one was tried before."""
        self.server = server
        self.peer: Peer | None = None
        self.failure: UpstreamError | None = None
        self.ended = False
        self._limits = limits
        self._era = era
        self._on_list_changed = on_list_changed
        self._stderr = stderr or StderrRing()
        self._notes = WireNotes(stderr=self._stderr)
        self._settled = asyncio.Event()
        self._closing = False  # the end is wanted, so nothing that ends is a failure
        self._draining = False
        self._timed_out = False
        self._died_of_probe = False
        self._handshake_error: Exception | None = None
        self._opens_by = opens_by or asyncio.get_running_loop().time() + limits.deadlines.connect_s
        self._scope = anyio.CancelScope()
        self._jobs: set[_Job] = set()
        self._direct: DirectCalls | None = None
        self._inbox, self._outbox = anyio.create_memory_object_stream[_Job](math.inf)
        # A context of its own: the connection outlives the request that opened it.
        self._owner = asyncio.create_task(self._own(), name=f"upstream-{server.slug}", context=contextvars.Context())

    async def ready(self) -> Peer:
        """Wait for the handshake. Raises what made it fail, as UpstreamError."""
        await self._settled.wait()
        if self.peer is None:
            assert self.failure is not None
            raise self.failure.with_traceback(None)
        return self.peer

    async def request(self, request: RawRequest) -> dict[str, Any]:
        """The reply's result object. Raises UpstreamError; NotSent when the connection had ended already.

        There is no deadline here: a caller that stops waiting cancels the request at the upstream.
        """
        if self._direct is not None and request.method == "tools/call" and not self.ended:
            try:
                return await self._direct.request(request)
            except NotDirect:
                pass  # and from then on the long way, which can do what the server wants
        job = _Job(request)
        try:
            self._inbox.send_nowait(job)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise NotSent(f"The connection to server {self.server.slug!r} has ended; try again.") from None
        self._jobs.add(job)
        try:
            return await job.answer
        finally:
            self._jobs.discard(job)

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left: no task, no socket, no child process."""
        return self._owner.done()

    @property
    def keeps_session(self) -> bool:
        """Whether the server keeps a session of the protocol for it. A child process has none: it is one."""
        if self.peer is None or self.peer.era is Era.MODERN:
            return False
        return self.server.launch.transport is Transport.SSE or self._notes.has_session()

    def retire(self) -> None:
        """Take no more requests, finish the ones under way, then end politely."""
        self._draining = True
        self._inbox.close()

    async def close(self) -> None:
        """End politely within the stop deadline, then by force. Waiting callers get ConnectionLost."""
        if not self._closing:
            self._closing = True
            self._inbox.close()
            self._end_jobs(connection_lost(self.server, self._notes, "because it was asked to"))
            if self.peer is None:
                self._scope.cancel()
            asyncio.get_running_loop().call_later(self._limits.deadlines.stop_s, self._scope.cancel)
        await asyncio.wait({self._owner})

    async def _own(self) -> None:
        """The outermost loop of the owner task: whatever happens inside becomes `failure`, and wakes every waiter."""
        try:
            failure = await self._attempt()
            if self._died_of_probe and self.server.launch.transport is Transport.STDIO and not self._closing:
                self._era, self._handshake_error = Era.HANDSHAKE, None
                failure = await self._attempt()
            self.failure = failure
        finally:
            self.ended = True
            self._end_jobs(connection_lost(self.server, self._notes, "while it was in use"))
            if self.failure is None and self.peer is None:
                self.failure = died_at_start(self.server, self._notes)
            self._settled.set()

    async def _attempt(self) -> UpstreamError | None:
        """One life of the connection; what ended it, or None for a clean end."""
        self._died_of_probe = False
        self._notes = notes = WireNotes(stderr=self._stderr)
        self._stderr.mark()
        self._scope = anyio.CancelScope()
        timer = asyncio.get_running_loop().call_at(self._opens_by, self._on_deadline)
        try:
            with self._scope:
                async with anyio.create_task_group() as watchers:
                    watchers.start_soon(self._watch, notes)
                    await self._live(notes, timer)
                    watchers.cancel_scope.cancel()
                    return None
        except Exception as error:  # the owner's outermost loop: anything the SDK raises ends here
            if self.peer is None and not self._timed_out:
                return connect_failed(self.server, notes, self._handshake_error or error)
            logger.debug("connection to %s ended", self.server.slug, exc_info=error)
            return connection_lost(self.server, notes, "while it was in use")
        finally:
            timer.cancel()
        return self._why_cancelled(notes)

    def _why_cancelled(self, notes: WireNotes) -> UpstreamError | None:
        if self.peer is not None:
            return None if self._closing else connection_lost(self.server, notes, "while it was in use")
        if self._timed_out:
            return connect_timed_out(self.server, notes, self._limits.deadlines.connect_s)
        if self._handshake_error is not None:
            return connect_failed(self.server, notes, self._handshake_error)
        return died_at_start(self.server, notes)

    async def _live(self, notes: WireNotes, timer: asyncio.TimerHandle) -> None:
        async with open_streams(self.server, self._limits, notes) as streams:
            dispatcher = _WatchedDispatcher(streams, notes)
            session = ClientSession(dispatcher=dispatcher, client_info=CLIENT_INFO, message_handler=self._on_message)
            async with session:
                negotiator = Negotiator(
                    session, min(self._limits.deadlines.probe_s, self._limits.deadlines.connect_s / 2)
                )
                try:
                    peer = await negotiator.run(self._era)
                except Exception as error:
                    # Leaving the contexts around us may replace it by a cancellation.
                    self._handshake_error = error
                    raise
                finally:
                    self._died_of_probe = negotiator.probing and notes.fault is None and not self._timed_out
                timer.cancel()
                self.peer = peer
                if peer.era is Era.MODERN:
                    with contextlib.suppress(NotDirect):
                        self._direct = DirectCalls(self.server, self._limits, peer)
                self._settled.set()
                async with anyio.create_task_group() as requests:
                    if peer.era is Era.MODERN and peer.announces_changes:
                        requests.start_soon(self._listen, session)
                    await self._serve(requests, dispatcher, peer)
                    requests.cancel_scope.cancel()

    async def _serve(self, requests: TaskGroup, dispatcher: JSONRPCDispatcher[Any], peer: Peer) -> None:
        """Start a task per request until asked to close, or idle for long enough."""
        with self._outbox:
            while True:
                with anyio.move_on_after(self._limits.deadlines.idle_s):
                    try:
                        job = await self._outbox.receive()
                    except (anyio.EndOfStream, anyio.ClosedResourceError):
                        break
                    requests.start_soon(self._run, job, dispatcher, peer)
                    continue
                if not self._jobs and not self._called_lately():
                    break
            while self._draining and self._jobs:
                await asyncio.wait([job.answer for job in self._jobs])
            if self._draining and self._direct is not None:
                await self._direct.http.at_rest()
            self._closing = True

    def _called_lately(self) -> bool:
        return self._direct is not None and self._direct.http.rested_s < self._limits.deadlines.idle_s

    async def _run(self, job: _Job, dispatcher: JSONRPCDispatcher[Any], peer: Peer) -> None:
        scope = anyio.CancelScope()
        job.answer.add_done_callback(lambda answer: scope.cancel() if answer.cancelled() else None)
        try:
            with scope:
                if not job.answer.cancelled():
                    result = await send_raw(dispatcher, peer, job.request)
                    if not job.answer.done():
                        job.answer.set_result(result)
        except MCPError as error:
            failure = request_failed(self.server, self._notes, job.request.method, error)
            job.fail(failure)
            if is_closed(error):
                self._give_up()
                self._notes.over.set()
        finally:
            # Reached undone only when the connection is being closed under the request.
            job.fail(connection_lost(self.server, self._notes, f"while it worked on {job.request.method}"))

    async def _watch(self, notes: WireNotes) -> None:
        """A connection whose read stream ended, or whose transport gave up, is over at once."""
        await notes.over.wait()
        if self._closing:
            return  # politely: the transport may still say goodbye
        if self.peer is not None:
            self._give_up()
        self._scope.cancel()

    def _give_up(self) -> None:
        """The connection is over, though its owner has yet to clean up: nobody is to use it from here on."""
        if not self._closing:
            self.failure = connection_lost(self.server, self._notes, "while it was in use")
            self.ended = True
            for job in list(self._jobs):
                job.fail(connection_lost(self.server, self._notes, f"while it worked on {job.request.method}"))
            self._end_jobs(self.failure)

    async def _listen(self, session: ClientSession) -> None:
        """Change notices of the current revision, for as long as the connection lasts.

        A subscription that is lost is begun again, later each time, and what changed meanwhile counts as a notice. A
        server that refuses it is polled, as by default.
        """
        backoff, losses = self._limits.backoff, 0
        while True:
            try:
                async with listen(session, tools_list_changed=True) as subscription:
                    if losses:
                        self._on_list_changed()
                    async for _ in subscription:
                        losses = 0
                        self._on_list_changed()
            except (MCPError, ListenNotSupportedError, SubscriptionLost, TimeoutError) as error:
                logger.debug("no change notices from %s: %s", self.server.slug, error)
                if isinstance(error, ListenNotSupportedError) or _refuses(error):
                    return
            losses += 1
            await anyio.sleep(backoff.delay(losses, backoff.process_cap_s, _chance()))

    async def _on_message(self, message: IncomingMessage) -> None:
        if (
            isinstance(message, ToolListChangedNotification)
            and self.peer is not None
            and self.peer.era is Era.HANDSHAKE
        ):
            self._on_list_changed()

    def _on_deadline(self) -> None:
        """Callers learn it now; the owner takes the time it needs to clean up."""
        self._timed_out = True
        self.failure = connect_timed_out(self.server, self._notes, self._limits.deadlines.connect_s)
        self.ended = True
        self._settled.set()
        self._scope.cancel()

    def _end_jobs(self, error: UpstreamError) -> None:
        self._inbox.close()
        self._outbox.close()
        if self._direct is not None:
            self._direct.http.close()
        for job in list(self._jobs):
            job.fail(error)


def _refuses(error: Exception) -> bool:
    """Whether the server says that it will never take this request, not that it cannot now."""
    return isinstance(error, MCPError) and error.code in {METHOD_NOT_FOUND, INVALID_REQUEST, INVALID_PARAMS}
