"""HTTP bodies with answers over the cap: the answer goes into the spool, a small one in its place to the SDK.

Refuses to know: sessions, calls, and what becomes of what was put aside (servers/large_results/oversized.py).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2

from servers.event_stream import Event, EventStream
from servers.large_results.oversized import stand_in
from servers.large_results.spool import Spool, SpoolFile, SpoolFull

Refusal = Callable[[str], bytes]
"""Why an answer cannot be had -> what its caller is told in its place, as a JSON-RPC message; may be nothing."""


class SpillingStream(httpx2.AsyncByteStream):
    """The event stream `inner`, event by event."""

    def __init__(self, inner: httpx2.AsyncByteStream, cap: int, spool: Spool, refusal: Refusal) -> None:
        self._inner = inner
        self._cap = cap
        self._spool = spool
        self._refusal = refusal

    async def __aiter__(self) -> AsyncIterator[bytes]:
        events = EventStream(self._cap, self._spool)
        try:
            async for chunk in self._inner:
                for event in events.events(chunk):
                    yield await self._wire(event)
        except SpoolFull as full:
            yield _event(self._refusal(str(full)))
        except ValueError:
            yield _event(self._refusal(f"a line of more than {self._cap} bytes that is no data"))
        finally:
            events.close()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _wire(self, event: Event) -> bytes:
        data = event.data
        if isinstance(data, SpoolFile):
            reply = await stand_in(self._spool, data)
            data = self._refusal(f"more than {self._cap} bytes, and no result") if reply is None else _json(reply)
        return b"".join(line + b"\n" for line in event.others) + (b"\n" if data is None else _event(data))


async def put_aside(body: bytes, rest: AsyncIterator[bytes], spool: Spool) -> dict[str, Any] | None:
    """A JSON body whose beginning is over the cap. None when it is no result; raises SpoolFull."""
    file = spool.begin()
    whole = False
    try:
        file.write(body)
        async for chunk in rest:
            file.write(chunk)
        whole = True
    finally:
        if not whole:
            file.drop()
    return await stand_in(spool, file)


def _event(data: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\n" for line in data.split(b"\n")) + b"\n" if data else b""


def _json(reply: dict[str, Any]) -> bytes:
    return json.dumps(reply).encode()
