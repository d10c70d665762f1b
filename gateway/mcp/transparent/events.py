"""What a session's streams said lately, so that a client that lost its connection can read on."""

from __future__ import annotations

from collections import deque

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage

_KEPT = 256


class SessionEvents(EventStore):
    """The last 256 events of one session. One a session: the SDK names streams by request id, which sessions share."""

    def __init__(self) -> None:
        self._events: deque[tuple[int, str, JSONRPCMessage | None]] = deque(maxlen=_KEPT)
        self._last = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._last += 1
        self._events.append((self._last, stream_id, message))
        return f"{self._last}-{stream_id}"

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        """Only events of the same stream. None for an id that was never given, or is too old."""
        number, _, stream = last_event_id.partition("-")
        if not number.isdecimal() or not any(known == (int(number), stream) for known in self._known()):
            return None
        for event, of_stream, message in list(self._events):
            if of_stream == stream and event > int(number) and message is not None:
                await send_callback(EventMessage(message, f"{event}-{of_stream}"))
        return stream

    def _known(self) -> list[tuple[int, str]]:
        return [(number, stream) for number, stream, _ in self._events]
