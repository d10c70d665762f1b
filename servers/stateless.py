"""A server of the current revision over HTTP, where every request stands alone: no session, no task, nothing kept open.

A `Connection` holds an SDK session, four tasks and a socket for every server, 85 kB: too much for thousands that are
listed every few minutes. This has the part of its face that `servers.upstream` needs, on `servers.direct.calls`. What
it cannot do is left to a `Connection`: other revisions, redirects, consent.

Refuses to know: retries, deadlines of requests, who else uses the server.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import Any

from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SERVER_INFO_META_KEY,
    DiscoverResult,
    Implementation,
)
from mcp_types.version import LATEST_MODERN_VERSION
from pydantic import ValidationError

from domain.errors import UpstreamError, UpstreamRefused
from domain.servers import UpstreamServer
from servers.direct.calls import DirectCalls
from servers.direct.http import NotDirect
from servers.failures import NoConnection, NotSent
from servers.limits import Limits
from servers.negotiation import Era, Peer
from servers.requests import RawRequest
from servers.resilience.single_flight import SingleFlight

REMEMBERED_S = 3600.0
"""How long what a server says about itself is taken for true; a poll is then one request, not two."""

_ASKING = Peer(Era.MODERN, LATEST_MODERN_VERSION, None, None, None, has_tools=False, announces_changes=False)
_LISTEN = RawRequest("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
_REFUSALS = {METHOD_NOT_FOUND, INVALID_REQUEST, INVALID_PARAMS}


class Unfit(Exception):
    """The server wants more than plain requests; nothing was executed. `silent`: it said nothing at all."""

    def __init__(self, *, silent: bool = False) -> None:
        super().__init__("a session is needed")
        self.silent = silent


class KnownPeer:
    """What a server said it is, for as long as that saves asking again and anybody may rely on it."""

    def __init__(self) -> None:
        self._peer: Peer | None = None
        self._until = 0.0

    def keep(self, peer: Peer) -> None:
        """One that offers no tools is asked every time: it may have got some."""
        if peer is not self._peer:
            self._peer = peer if peer.era is Era.MODERN and peer.has_tools else None
            self._until = asyncio.get_running_loop().time() + REMEMBERED_S

    def fresh(self) -> Peer | None:
        return self._peer if asyncio.get_running_loop().time() < self._until else None

    def forget(self) -> None:
        """Something went wrong: whatever answers there now is asked anew."""
        self._peer, self._until = None, 0.0


class StatelessConnection:
    """What `Connection` is for servers that need one. Once `ended` it is never used again."""

    def __init__(
        self,
        server: UpstreamServer,
        limits: Limits,
        on_list_changed: Callable[[], None],
        peer: Peer | None = None,
    ) -> None:
        """`peer`: what the server said it is a short while ago. Raises NotDirect for one that cannot be reached so."""
        self.server = server
        self.peer = peer
        self.failure: UpstreamError | None = None
        self.ended = False
        self.unfit = False
        self.opens_by = asyncio.get_running_loop().time() + limits.deadlines.connect_s
        self._limits = limits
        self._on_list_changed = on_list_changed
        self._calls = DirectCalls(server, limits, _ASKING)
        self._opening: SingleFlight[Peer] = SingleFlight()
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.get_running_loop().call_later(limits.deadlines.idle_s, self._look_idle)
        self._follow_changes()

    async def ready(self) -> Peer:
        """Ask the server what it is, once. Raises NoConnection, and Unfit where only a session can tell."""
        return self.peer or await self._opening.run(self._discover)

    async def request(self, request: RawRequest) -> dict[str, Any]:
        """The reply's result object. Raises UpstreamError; NotSent when another connection has to be made for it."""
        if self.ended:
            raise NotSent(f"The connection to server {self.server.slug!r} has ended; try again.")
        try:
            return await self._calls.request(request)
        except NotDirect:
            self.unfit = self.ended = True
            raise NotSent(f"Server {self.server.slug!r} wants more than a plain request; try again.") from None
        except NoConnection as error:
            self.failure, self.ended = error, True  # whoever comes next asks first whether it is back
            raise

    @property
    def keeps_session(self) -> bool:
        """None of its requests knows of another."""
        return False

    @property
    def gone(self) -> bool:
        """Whether nothing of it is left: no task, no socket."""
        return self.ended and not self._tasks

    def retire(self) -> None:
        """Take no more requests, finish the ones under way, then end."""
        self.ended = True
        self._idle.cancel()
        self._spawn(self._leave())

    async def close(self) -> None:
        """End now. Waiting callers get ConnectionLost."""
        self.ended = True
        self._idle.cancel()
        self._calls.http.close()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _discover(self) -> Peer:
        deadlines = self._limits.deadlines
        try:
            async with asyncio.timeout(min(deadlines.probe_s, deadlines.connect_s / 2)):
                answer = await self._calls.request(RawRequest("server/discover", {}))
            found = DiscoverResult.model_validate(answer)
        except NoConnection as error:
            self.failure, self.ended = error, True
            raise
        except TimeoutError:
            raise Unfit(silent=True) from None
        except (NotDirect, UpstreamError, ValidationError) as error:
            raise Unfit from error
        if LATEST_MODERN_VERSION not in found.supported_versions:
            raise Unfit
        self.peer = _peer_of(found)
        self._follow_changes()
        return self.peer

    def _follow_changes(self) -> None:
        if self.peer is not None and self.peer.announces_changes and not self.ended:
            self._spawn(self._hear(self.peer))

    def _look_idle(self) -> None:
        """End when nothing was asked for long enough; one whose changes are heard is in use."""
        left = self._limits.deadlines.idle_s - self._calls.http.rested_s
        if left <= 0 and not self._tasks:
            self.ended = True
        elif not self.ended:
            again = max(left, 0.0) or self._limits.deadlines.idle_s
            self._idle = asyncio.get_running_loop().call_later(again, self._look_idle)

    async def _hear(self, peer: Peer) -> None:
        """Change notices, for as long as the connection lasts. A subscription that is lost is begun again, later each
        time, and what changed meanwhile counts as a notice. A server that refuses it is polled, as by default.
        """
        backoff, losses = self._limits.backoff, 0
        stream = DirectCalls(self.server, self._limits, peer)

        def heard(message: Mapping[str, Any]) -> None:
            nonlocal losses
            match message.get("method"):
                case "notifications/tools/list_changed":
                    self._on_list_changed()
                case "notifications/subscriptions/acknowledged" if losses:
                    self._on_list_changed()
                case "notifications/subscriptions/acknowledged":
                    pass
                case _:
                    return
            losses = 0

        try:
            while not self.ended:
                try:
                    await stream.request(_LISTEN, heard)
                except NotDirect:
                    return
                except UpstreamError as error:
                    if isinstance(error, UpstreamRefused) and error.rpc_code in _REFUSALS:
                        return
                losses += 1
                chance = random.random()  # noqa: S311 - a pause is no secret
                await asyncio.sleep(backoff.delay(losses, backoff.process_cap_s, chance))
        finally:
            stream.http.close()

    async def _leave(self) -> None:
        await self._calls.http.at_rest()
        self._calls.http.close()
        for task in [*self._tasks]:
            if task is not asyncio.current_task():
                task.cancel()

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name=f"upstream-{self.server.slug}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _peer_of(found: DiscoverResult) -> Peer:
    tools = found.capabilities.tools
    try:
        info: Implementation | None = Implementation.model_validate((found.meta or {}).get(SERVER_INFO_META_KEY))
    except ValidationError:  # it is for people to read, so a server may leave it out
        info = None
    return Peer(
        era=Era.MODERN,
        protocol_version=LATEST_MODERN_VERSION,
        server_name=info.name if info is not None else None,
        server_version=info.version if info is not None else None,
        instructions=found.instructions,
        has_tools=tools is not None,
        announces_changes=bool(tools is not None and tools.list_changed),
    )
