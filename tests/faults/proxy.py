"""A TCP proxy that does what networks do: delay, drip, reset, go half-open, cut short, swallow."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import StrEnum


class Fault(StrEnum):
    """What happens to the bytes."""

    PASS = "pass"  # nothing
    DELAY = "delay"  # every chunk waits
    DRIP = "drip"  # answers come at one byte a second
    RESET = "reset"  # the connection is reset at the first byte of the request
    RESET_IN_ANSWER = "reset-in-answer"  # the request arrives; its answer is reset after its first byte
    SWALLOW_ANSWER = "swallow-answer"  # the request arrives; then the connection is reset
    TRUNCATE = "truncate"  # the answer ends in its middle, politely
    HALF_OPEN = "half-open"  # nothing moves any more, and nobody says so
    BLACK_HOLE = "black-hole"  # connections are accepted and never read


SO_ATTACH_FILTER = 26  # Linux; the module socket has no name for it

HARMFUL = (Fault.RESET, Fault.RESET_IN_ANSWER, Fault.SWALLOW_ANSWER, Fault.TRUNCATE)


class FaultProxy:
    """Listens on `port`; `fault` may be changed at any time, `draw` decides for each request where it is given."""

    def __init__(self, target: int, *, delay_s: float = 0.05) -> None:
        self.flows = asyncio.Event()
        self.fault = Fault.PASS
        self.draw: Callable[[], Fault] | None = None
        self.accepted = 0
        self.port = 0
        self.listening: tuple[socket.socket, ...] = ()
        self._target = target
        self._delay_s = delay_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        self._fault = fault
        if fault in {Fault.HALF_OPEN, Fault.BLACK_HOLE}:
            self.flows.clear()
        else:
            self.flows.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end; whatever ends it, both sides are closed."""
        self.accepted += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._clients.add(writer)
        try:
            if self.fault is Fault.BLACK_HOLE:
                await self.flows.wait()  # never read, until the proxy recovers
            back_reader, back_writer = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                async with asyncio.TaskGroup() as group:
                    state = _Exchange(self, writer, back_writer)
                    group.create_task(state.upstream(reader))
                    group.create_task(state.downstream(back_reader))
            finally:
                back_writer.close()
        except (ExceptionGroup, OSError, asyncio.CancelledError):
            """One of the sides is gone."""
        finally:
            self._tasks.discard(task)
            self._clients.discard(writer)
            writer.close()

    def present(self) -> Fault:
        return self.draw() if self.draw is not None else self.fault

    def vanish(self) -> None:
        """As if the cable were cut, for good: whatever comes, on connections or for new ones, not even the system
        answers.
        """
        self.fault = Fault.HALF_OPEN
        for plug in (*self.listening, *(writer.get_extra_info("socket") for writer in self._clients)):
            _deafen(plug)

    async def drop_all(self) -> None:
        """End every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def delay_s(self) -> float:
        return self._delay_s


class _Exchange:
    """Both directions of a connection, and what was decided for the request on it."""

    def __init__(self, proxy: FaultProxy, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._fault = Fault.PASS

    async def upstream(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            self._fault = self._proxy.present()
            if self._fault is Fault.RESET:
                _reset(self._client)
                raise ConnectionResetError
            await self._hold()
            self._server.write(chunk)
            await self._server.drain()
        raise ConnectionResetError  # ends the other direction too

    async def downstream(self, reader: asyncio.StreamReader) -> None:
        while chunk := await reader.read(65536):
            match self._fault:
                case Fault.SWALLOW_ANSWER:
                    _reset(self._client)
                    raise ConnectionResetError
                case Fault.RESET_IN_ANSWER:
                    self._client.write(chunk[:1])
                    await self._client.drain()
                    _reset(self._client)
                    raise ConnectionResetError
                case Fault.TRUNCATE:
                    self._client.write(chunk[: len(chunk) // 2])
                    await self._client.drain()
                    raise ConnectionResetError
                case Fault.DRIP:
                    for byte in chunk:
                        self._client.write(bytes([byte]))
                        await asyncio.sleep(1.0)
                case _:
                    await self._hold()
                    self._client.write(chunk)
                    await self._client.drain()
        raise ConnectionResetError

    async def _hold(self) -> None:
        if self._fault is Fault.DELAY:
            await asyncio.sleep(self._proxy.delay_s)
        await self._proxy.flows.wait()


def some_of(share: float, chance: random.Random) -> Callable[[], Fault]:
    """A harmful fault for this share of the requests."""

    def draw() -> Fault:
        return chance.choice(HARMFUL) if chance.random() < share else Fault.PASS

    return draw


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    plug: socket.socket | None = writer.get_extra_info("socket")
    if plug is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _deafen(plug: socket.socket) -> None:
    """Drop every segment below TCP, acknowledgements and all: a packet filter of one instruction, "accept 0 bytes"."""
    accept_nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(accept_nothing))
    plug.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


@asynccontextmanager
async def fault_proxy(target: int, *, delay_s: float = 0.05) -> AsyncIterator[FaultProxy]:
    """A proxy in front of a local port, on a free one."""
    proxy = FaultProxy(target, delay_s=delay_s)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.listening = server.sockets
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.drop_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await server.wait_closed()
