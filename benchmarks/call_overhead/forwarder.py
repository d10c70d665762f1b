"""One more hop and nothing else: copies bytes between a client and HOST:PORT. Prints its port once it listens.

python -m benchmarks.call_overhead.forwarder PORT
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from gateway.event_loop import run_async


class Pipe(asyncio.Protocol):
    """One side; what arrives goes to the other one."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: Pipe | None = None
        self._early = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)
        else:
            self._early += data

    def connection_lost(self, _error: Exception | None) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()

    def join(self, other: Pipe) -> None:
        self.other, other.other = other, self
        if self._early and other.transport is not None:
            other.transport.write(bytes(self._early))
            self._early.clear()


class Front(Pipe):
    """The side a client connects to."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        _, back = await asyncio.get_running_loop().create_connection(Pipe, "127.0.0.1", self._port)
        self.join(back)


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: Front(port), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    run_async(main(int(sys.argv[1])))
