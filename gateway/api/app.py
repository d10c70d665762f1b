"""The ASGI application: API, MCP address, health and start page behind one guard."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.routing import Route

from domain.identity import LOCAL
from gateway.api import (
    calls,
    enrich,
    health,
    home,
    index,
    metrics,
    models,
    oauth,
    outcomes,
    plan,
    policy,
    results,
    reviews,
    search,
    secrets,
    servers,
    sessions,
    stats,
    sync,
    tools,
    trajectories,
    turns,
)
from gateway.api.problems import install_problem_handlers
from gateway.http_guard import HttpGuard
from gateway.mcp.backend_local import LocalBackend
from gateway.mcp.dynamic import make_dynamic_server
from gateway.mcp.plain_headers import PlainHeaders
from gateway.mcp.server import answer_call, make_mcp_server, read_instructions
from gateway.mcp.transparent.doors import TransparentDoors
from gateway.wiring import Toolcrib, caps_of
from servers.limits import Deadlines, Limits

_PREFIX = "/api/v1"
_UNDER_PREFIX = (
    servers,
    sync,
    index,
    reviews,
    tools,
    search,
    models,
    enrich,
    calls,
    plan,
    results,
    sessions,
    turns,
    secrets,
    trajectories,
    stats,
    policy,
    outcomes,
)


def make_app(crib: Toolcrib) -> FastAPI:
    """An application over an open Toolcrib. Its lifespan runs the MCP session manager, nothing else."""
    backend = LocalBackend(crib, LOCAL)
    mcp_server = make_mcp_server(lambda: backend, None)
    manager = StreamableHTTPSessionManager(mcp_server)
    dynamic_server = make_dynamic_server(backend, backend.held, backend.opened)
    dynamic = StreamableHTTPSessionManager(dynamic_server)

    deadlines = Deadlines(call_s=crib.settings.call_timeout_s)
    doors = TransparentDoors(crib.store, LOCAL, Limits(deadlines, caps_of(crib.settings), access=crib.authorizer))

    async def refresh_instructions() -> None:
        mcp_server.instructions = dynamic_server.instructions = await read_instructions(backend)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await refresh_instructions()
        crib.freshness.on_catalogue_change(refresh_instructions)
        async with manager.run(), dynamic.run(), doors.run():
            yield

    app = FastAPI(
        title="Toolcrib",
        version=importlib.metadata.version("toolcrib"),
        summary="Find, hand out and call the tools of many MCP servers.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.crib = crib
    app.state.answer_call = partial(answer_call, backend)  # for `gateway.mcp.quick_http`
    install_problem_handlers(app)
    for module in _UNDER_PREFIX:
        app.include_router(module.router, prefix=_PREFIX)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.include_router(home.router)
    app.include_router(oauth.router)
    app.router.routes.append(Route("/mcp", endpoint=PlainHeaders(StreamableHTTPASGIApp(manager))))
    app.router.routes.append(Route("/mcp/dynamic", endpoint=PlainHeaders(StreamableHTTPASGIApp(dynamic))))
    app.router.routes.append(Route("/mcp/servers/{server}", endpoint=doors))
    app.add_middleware(HttpGuard)
    return app
