"""A test upstream on a free port of its own process, which its first line of output names."""

from __future__ import annotations

import socket

import uvicorn
from starlette.applications import Starlette


def serve(app: Starlette) -> None:
    """Until the process is ended."""
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)  # noqa: T201
    config = uvicorn.Config(app, log_level="error", http="httptools", timeout_graceful_shutdown=0)
    uvicorn.Server(config).run(sockets=[listening])
