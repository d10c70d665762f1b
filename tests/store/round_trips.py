"""A proxy in front of PostgreSQL that counts how often a client waits for the server.

A client of the extended protocol ends each thing it waits for with Sync, one of the simple protocol with Query.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_AWAITED = frozenset(b"SQ")
_HEADER = 5  # type, and a length that includes itself


_WISH_FOR_TLS = (80877103).to_bytes(4)


class RoundTrips:
    """`count` since it was last set to 0."""

    def __init__(self) -> None:
        self.count = 0
        self.port = 0

    async def count_from(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        """The first messages of a connection have no type: the wish for TLS, which is denied, and the start-up."""
        try:
            while (start := await _message(reader))[4:8] == _WISH_FOR_TLS:
                back.write(b"N")
            writer.write(start)
            while True:
                header = await reader.readexactly(_HEADER)
                body = await reader.readexactly(int.from_bytes(header[1:]) - 4)
                self.count += header[0] in _AWAITED
                writer.write(header + body)
        except asyncio.IncompleteReadError:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size) - 4)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def counted(host: str, port: int) -> AsyncIterator[RoundTrips]:
    """Listens on loopback in front of host and port."""
    trips = RoundTrips()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(host, port)
        for flow in (trips.count_from(reader, writer, behind_writer), _pass(behind_reader, writer)):
            tasks.add(asyncio.create_task(flow))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    trips.port = server.sockets[0].getsockname()[1]
    try:
        yield trips
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
