"""One call of a tool, in one attempt or several: an attempt that runs longer than is worth waiting for begins anew.

Only where the server's operator relies on the tool doing a thing once however often it is called (`repeatable`), only
within the call's own deadline, and the last attempt has all of what is left of it. The timeouts come from what is
recorded of the tool (domain/restart.py); the operator's switch restores one attempt with the whole deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from domain.errors import UpstreamTimeout
from domain.restart import Attempt, best_timeout
from domain.servers import UpstreamServer
from gateway.use_cases.catalogue import ServedTool
from servers.ports import CallResult, Pool

MOST = 4
"""Attempts of one call, the last one included."""

_LOOK_AGAIN = 16  # calls after which a tool's timeout is chosen anew

Latencies = Callable[[str, str], Sequence[Attempt]]
"""Tenant and tool id -> what is recorded of its attempts, without waiting for the log."""


class Patience(Protocol):
    """How long an attempt is waited for."""

    def timeout(self, tenant: str, tool_id: str, ceiling_s: float) -> float | None:
        """Seconds, below `ceiling_s`; None to wait until then."""
        ...


class FixedTimeouts:
    """The off switch: every attempt has the whole deadline."""

    def timeout(self, tenant: str, tool_id: str, ceiling_s: float) -> float | None:  # noqa: ARG002 - nothing changes it
        return None


class RestartEarly:
    """The least expected makespan of what is recorded; chosen anew every few calls."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies
        self._chosen: dict[tuple[str, str, float], tuple[Attempt | None, int, float | None]] = {}

    def timeout(self, tenant: str, tool_id: str, ceiling_s: float) -> float | None:
        key = (tenant, tool_id, ceiling_s)
        newest, asked, chosen = self._chosen.get(key, (None, _LOOK_AGAIN, None))
        if asked < _LOOK_AGAIN:
            self._chosen[key] = (newest, asked + 1, chosen)
            return chosen
        recorded = self._latencies(tenant, tool_id)
        latest = recorded[-1] if recorded else None
        if latest is not newest:
            chosen = best_timeout(recorded, ceiling_s, MOST)
        self._chosen[key] = (latest, 0, chosen)
        return chosen


@dataclass(slots=True)
class RestartTotals:
    """Since this process began. The rule's hit rate is `rescued / hurried`: cut attempts that another one made good."""

    calls: int = 0
    hurried: int = 0  # calls with an attempt that was cut
    rescued: int = 0  # of these, answered by a later attempt


@dataclass(frozen=True, slots=True)
class Called:
    """What came back, and the seconds of each attempt that was cut before."""

    result: CallResult
    cut_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What is called, for whom, and whether it may be called twice."""

    server: UpstreamServer
    tool: ServedTool
    arguments: Mapping[str, Any]
    owner: Hashable

    @property
    def repeatable(self) -> bool:
        return self.server.trusted and self.tool.entry.document.says_repeatable


@dataclass(slots=True)
class Attempts:
    """Calls through the pool."""

    pool: Pool
    patience: Patience = field(default_factory=FixedTimeouts)
    totals: RestartTotals = field(default_factory=RestartTotals)

    async def __call__(self, target: Target, timeout_s: float) -> Called:
        """Raises the UpstreamError family, Overloaded, InvalidInput."""
        self.totals.calls += 1
        entry = target.tool.entry
        patience_s = self.patience.timeout(entry.tenant, entry.tool_id, timeout_s) if target.repeatable else None
        now = asyncio.get_running_loop().time
        ends_at = now() + timeout_s
        cut: list[float] = []
        while patience_s is not None and len(cut) < MOST - 1 and ends_at - now() > patience_s:
            began = now()
            try:
                result = await self._once(target, patience_s)
            except UpstreamTimeout:
                cut.append(now() - began)
                self.totals.hurried += len(cut) == 1
                continue
            self.totals.rescued += bool(cut)
            return Called(result, tuple(cut))
        result = await self._once(target, max(ends_at - now(), 1e-3) if cut else timeout_s)
        self.totals.rescued += bool(cut)
        return Called(result, tuple(cut))

    async def _once(self, target: Target, seconds: float) -> CallResult:
        return await self.pool.call(
            target.server,
            target.tool.entry.document.name,
            target.arguments,
            timeout_s=seconds,
            repeatable=target.repeatable,
            owner=target.owner,
        )
