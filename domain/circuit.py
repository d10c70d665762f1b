"""A circuit: what keeps failing is left alone for a while, then tried by one. Pure; clock and chance are given."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures in a row are borne, and how long the pause is: it doubles from `first_s` to `last_s`."""

    failures: int = 5
    first_s: float = 1.0
    last_s: float = 30.0


class Circuit:
    """What `wait_s` let through ends in `succeeded`, `failed` or `gave_no_verdict`."""

    def __init__(
        self,
        patience: Patience | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._patience = patience or Patience()
        self._clock = clock
        self._chance = chance
        self._failures = 0
        self._pause_ends = 0.0
        self._trying = False
        self.last_failure: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is left alone; one request may be trying it."""
        return self._failures >= self._patience.failures

    def admit(self) -> float | None:
        """None lets the request through; after the pause, one at a time. Else the seconds until asking again helps."""
        if not self.is_open:
            return None
        left = self._pause_ends - self._clock()
        if self._trying or left > 0:
            return max(left, self._patience.first_s)
        self._trying = True
        return None

    def succeeded(self) -> None:
        self._failures = 0
        self._trying = False
        self.last_failure = None

    def failed(self, why: str) -> None:
        self._failures += 1
        self._trying = False
        self.last_failure = why
        if self.is_open:
            first, last = self._patience.first_s, self._patience.last_s
            bound = min(last, first * 2.0 ** min(self._failures - self._patience.failures + 1, 32))
            self._pause_ends = self._clock() + first + self._chance() * (bound - first)

    def gave_no_verdict(self) -> None:
        """The request was given up by its caller."""
        self._trying = False
