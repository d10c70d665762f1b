"""Calls that wait for their client's next round, and for how long."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.errors import Overloaded
from gateway.mcp.transparent.seal import LIFETIME_S
from servers.relay.exchange import Exchange, Question

_MOST = 1024


@dataclass(slots=True)
class Held:
    """A call under way at the server, and the question it waits with."""

    exchange: Exchange
    capabilities: Mapping[str, Any]
    question: Question | None = None
    expiry: asyncio.TimerHandle | None = field(default=None, repr=False)


class HeldCalls:
    """Kept under a name that nobody guesses; taken once."""

    def __init__(self) -> None:
        self._calls: dict[str, Held] = {}

    def keep(self, held: Held) -> str:
        """Raises Overloaded, and ends the call, when too many wait already."""
        if len(self._calls) >= _MOST:
            held.exchange.end()
            raise Overloaded("Too many calls wait for input; try again later.", retry_after_s=60.0)
        name = secrets.token_hex(16)
        self._calls[name] = held
        held.expiry = asyncio.get_running_loop().call_later(LIFETIME_S, self._expire, name)
        return name

    def take(self, name: str) -> Held | None:
        held = self._calls.pop(name, None)
        if held is not None and held.expiry is not None:
            held.expiry.cancel()
        return held

    def close(self) -> None:
        for name in list(self._calls):
            self._expire(name)

    def _expire(self, name: str) -> None:
        held = self.take(name)
        if held is not None:
            held.exchange.end()
