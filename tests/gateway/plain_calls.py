"""A plain call of the current revision, as value and as bytes, and a connection to send it over."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast

import uvicorn

from gateway.mcp.quick_calls import Answer
from gateway.mcp.quick_http import QuickHttp

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
HEAD = {
    b"host": b"127.0.0.1",
    b"content-type": b"application/json",
    b"accept": b"application/json, text/event-stream",
    b"mcp-protocol-version": b"2026-07-28",
    b"mcp-method": b"tools/call",
    b"mcp-name": b"echo",
}


def a_call(**changes: Any) -> dict[str, Any]:
    params = {"name": "echo", "arguments": {"text": "ö"}, "_meta": META} | changes
    return {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params}


def request(
    body: bytes, head: Mapping[bytes, bytes] = HEAD, *more: bytes, line: bytes = b"POST /mcp HTTP/1.1"
) -> bytes:
    lines = [line, *(b"%b: %b" % header for header in head.items()), *more]
    if b"transfer-encoding" not in head:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@dataclass(frozen=True)
class Reply:
    status: int
    head: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A client's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send_in_pieces(self, *pieces: bytes) -> None:
        """Each in a segment of its own."""
        channel = self.writer.get_extra_info("socket")
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            self.writer.write(piece)
            await asyncio.sleep(0)
            await self.writer.drain()

    async def ask(self, data: bytes) -> Reply:
        self.writer.write(data)
        return await self.read()

    async def read(self) -> Reply:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        head = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = b""
        if head.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        else:
            body = await self.reader.readexactly(int(head["content-length"]))
        return Reply(int(first.split()[1]), head, body)

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@asynccontextmanager
async def serving(app: Any, answer: Answer | None) -> AsyncIterator[tuple[int, uvicorn.Server]]:
    """`app` on a free port; plain calls go to `answer` when there is one, else all goes the ordinary way."""
    http: Any = "httptools" if answer is None else cast("type[asyncio.Protocol]", partial(QuickHttp, answer))
    config = uvicorn.Config(app, port=0, http=http, ws="none", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield server.servers[0].sockets[0].getsockname()[1], server
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown()
