"""Leaves a server alone that keeps failing: its callers learn it at once, and one request finds out when it is back.

Refuses to know: what a failure is (servers/upstream.py), and the clock and chance, which are given (R10, R22).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from domain.errors import UpstreamError
from domain.servers import Circuit
from servers.failures import CircuitOpen
from servers.limits import Backoff


class Breaker:
    """One server's circuit. What `admit` let through ends in `succeeded`, `failed` or `gave_no_verdict`."""

    def __init__(
        self,
        slug: str,
        backoff: Backoff,
        cap_s: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._slug = slug
        self._backoff = backoff
        self._cap_s = cap_s
        self._clock = clock
        self._chance = chance
        self._failures = 0  # in a row
        self._openings = 0  # in a row, without a success between them
        self._opens_until = 0.0
        self._why: UpstreamError | None = None
        self._probing = False

    @property
    def circuit(self) -> Circuit:
        if self._failures < self._backoff.failures:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._probing else Circuit.OPEN

    def refuse(self, *, urgent: bool = False) -> None:
        """Raises CircuitOpen while the server is left alone. `urgent` does not wait for the end of that, but still
        for a request that is trying already: for what a person asked for, or what is rare by itself.
        """
        if self.circuit is Circuit.CLOSED:
            return
        left = self._opens_until - self._clock()
        if self._probing or (left > 0 and not urgent):
            raise self._refusal(max(left, self._backoff.first_s))

    def admit(self, *, urgent: bool = False) -> bool:
        """Let a request through; True when it is the one that tries. Raises CircuitOpen."""
        self.refuse(urgent=urgent)
        if self.circuit is Circuit.CLOSED:
            return False
        self._probing = True
        return True

    def reached(self) -> None:
        """The server is there again, though it has not proved itself: one more failure and it is left alone."""
        self._probing = False
        self._failures = self._backoff.failures - 1

    def succeeded(self) -> None:
        """The server answered."""
        self._failures = self._openings = 0
        self._why = None
        self._probing = False

    def failed(self, error: UpstreamError, *, trying: bool) -> bool:
        """The server failed a request; True when it is left alone from now on. `trying` is what `admit` said."""
        before = self.circuit
        self._why = error
        self._failures += 1
        if trying:
            self._probing = False
        if self._failures < self._backoff.failures or (before is not Circuit.CLOSED and not trying):
            return False  # not enough yet, or a latecomer of those that were admitted before
        self._openings += 1
        self._opens_until = self._clock() + self._backoff.delay(self._openings, self._cap_s, self._chance())
        return True

    def gave_no_verdict(self) -> None:
        """The request that tried was given up by its caller; the next one tries."""
        self._probing = False

    def _refusal(self, wait_s: float) -> CircuitOpen:
        reason = f" Last failure: {self._why.message}" if self._why is not None else ""
        return CircuitOpen(
            f"Server {self._slug!r} failed {self._failures} times in a row and is left alone for a moment; "
            f"try again in {wait_s:.0f} s, or use a tool of another server.{reason}",
            retry_after_s=wait_s,
        )
