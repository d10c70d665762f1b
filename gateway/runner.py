"""Runs a gateway in this process: owns the data folder, opens it, serves it on loopback."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import httpx2
import uvicorn
from fastapi import FastAPI

from domain.errors import InvalidInput, NameTaken
from gateway.api.app import make_app
from gateway.api_client import ApiClient
from gateway.data_folder import claim
from gateway.mcp.quick_http import QuickHttp
from gateway.settings import Settings
from gateway.wiring import Toolcrib, open_toolcrib

_GRACE_S = 30
_KEEP_S = 75  # agents think between calls; a client must not send into a connection that is just being closed
_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that listens. `finished` ends when it has been told to stop."""

    crib: Toolcrib
    url: str
    server: uvicorn.Server
    finished: asyncio.Task[None]


class _Server(uvicorn.Server):
    """Leaves signals to the event loop's owner: uvicorn would raise them again and skip everybody's clean-up."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def run_gateway(settings: Settings) -> AsyncIterator[Running]:
    """Own the folder, listen, serve until the block ends.

    Raises DataFolderInUse, InvalidInput for an address that is not loopback, NameTaken for a busy port.
    """
    settings.require_loopback()
    with claim(settings.data) as folder:
        listener = _listen(settings.host, settings.port)
        try:
            host, port = listener.getsockname()[:2]
            url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            async with open_toolcrib(settings) as crib:
                crib.authorizer.listens_at(url)
                app = make_app(crib)
                config = uvicorn.Config(
                    app, http=_protocol(app), ws="none", log_config=None, access_log=False,
                    timeout_graceful_shutdown=_GRACE_S, timeout_keep_alive=_KEEP_S,
                )  # fmt: skip
                server = _Server(config)
                finished = asyncio.create_task(server.serve(sockets=[listener]), name="http")
                folder.announce(url)  # the socket listens already: early requests wait in its backlog
                try:
                    yield Running(crib, url, server, finished)
                finally:
                    server.should_exit = True
                    await finished
        finally:
            listener.close()


def _protocol(app: FastAPI) -> type[asyncio.Protocol]:
    """What uvicorn makes for every connection; it calls whatever it is given, though it asks for a class."""
    return cast("type[asyncio.Protocol]", partial(QuickHttp, app.state.answer_call))


@asynccontextmanager
async def open_in_process(settings: Settings) -> AsyncIterator[ApiClient]:
    """A short command's gateway: same routes, no socket, no background work. Owns the folder meanwhile."""
    with claim(settings.data):
        # Without the lifespan: it serves MCP sessions, which no command has, and would wrap errors in groups.
        async with (
            open_toolcrib(settings, follow=False) as crib,
            ApiClient("http://127.0.0.1", httpx2.ASGITransport(app=make_app(crib))) as api,
        ):
            yield api


def _listen(host: str, port: int) -> socket.socket:
    address = host.strip("[]")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise NameTaken(f"Port {port} of {host} is in use; choose another one with --port.") from error
        raise InvalidInput(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    listener.setblocking(False)
    return listener
