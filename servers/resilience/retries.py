"""Whether a failed request is tried again: only where that cannot do a thing twice, and never as a storm (R9)."""

from __future__ import annotations

import random
from collections.abc import Callable

from domain.errors import UpstreamError
from servers.failures import ConnectionLost, NoConnection, NotSent, ServerFault, SessionLost

MOST = 2
"""Retries of one request."""

SHARE = 0.1
"""Retries per request, over time: when everything fails, retrying only adds to the load."""

_RESERVE = 10.0  # retries that a server which is seldom asked has at hand
_SILENT_S = 1.0  # a refusal comes at once; where nobody says anything, asking again takes as long again (R5)
_PAUSE_S = 0.1  # bound of the pause before the first retry; it doubles


class Retries:
    """One server's budget of retries."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._left = _RESERVE
        self._chance = chance

    def earn(self) -> None:
        """A request came in."""
        self._left = min(_RESERVE, self._left + SHARE)

    def pause(self, error: UpstreamError, retries: int, *, repeatable: bool, took_s: float = 0.0) -> float | None:
        """Seconds to wait before the next retry after so many; None when the error, which took so long, is final.

        A request that the server provably did not execute may be tried again, another one only when it is
        `repeatable`.
        """
        if retries >= MOST:
            return None
        if isinstance(error, SessionLost | NotSent):
            return 0.0  # of a connection that ended: the next one is made once for all who wait
        unharmed = (isinstance(error, NoConnection) and took_s < _SILENT_S) or (
            repeatable and isinstance(error, ConnectionLost | ServerFault)
        )
        if not unharmed or self._left < 1:
            return None
        self._left -= 1
        return self._chance() * _PAUSE_S * 2.0**retries
