"""Every transparent server's door: opened at its first request, opened anew when the server's settings changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from domain.errors import Forbidden, ToolcribError, UpstreamUnreachable
from domain.identity import Principal
from domain.servers import ReviewPolicy, UpstreamServer
from gateway.mcp.transparent.door import Door
from servers.limits import Limits
from servers.relay.relays import Relays
from store.store import Store


class TransparentDoors:
    """An ASGI endpoint for `/mcp/servers/{server}`."""

    def __init__(self, store: Store, principal: Principal, limits: Limits) -> None:
        self._store = store
        self._principal = principal
        self._limits = limits
        self._open: dict[str, _OpenDoor] = {}

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Doors open while the context is."""
        try:
            yield
        finally:
            doors = list(self._open.values())
            self._open.clear()
            await asyncio.gather(*(door.close() for door in doors))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            door = await self._door(scope["path_params"]["server"])
        except ToolcribError as error:
            body = {"jsonrpc": "2.0", "id": None, "error": {"code": -32603, "message": error.message}}
            refusal = Response(json.dumps(body), status_code=error.http_status, media_type="application/json")
            await refusal(scope, receive, send)
            return
        await door.handle(scope, receive, send)

    async def _door(self, slug: str) -> Door:
        try:
            server = await self._store.servers.get(self._principal.tenant, slug)
            if not server.enabled:
                raise UpstreamUnreachable(f"Server {slug!r} is disabled; an admin can enable it.")
            if server.review is ReviewPolicy.HOLD:
                raise Forbidden(
                    f"Changes of server {slug!r} are held for a review, and this address passes on what nobody "
                    "reviewed; use /mcp, or let an admin choose another policy."
                )
        except ToolcribError:
            await self._shut(slug)
            raise
        known = self._open.get(slug)
        if known is not None and known.server.launch != server.launch:
            await self._shut(slug)
            known = None
        if known is None:
            known = self._open.setdefault(slug, _OpenDoor(server, Door(Relays(server, self._limits), self._principal)))
        await known.ready.wait()
        return known.door

    async def _shut(self, slug: str) -> None:
        known = self._open.pop(slug, None)
        if known is not None:
            await known.close()


class _OpenDoor:
    """A door and the task that its sessions live in."""

    def __init__(self, server: UpstreamServer, door: Door) -> None:
        self.server = server
        self.door = door
        self.ready = asyncio.Event()
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"door-{server.slug}")

    async def close(self) -> None:
        self._closing.set()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            async with self.door.manager.run():
                self.ready.set()
                await self._closing.wait()
        finally:
            self.ready.set()
            await self.door.close()
