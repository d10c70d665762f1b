"""Keeps sessions to their budgets: reserves before a call, grants what a result or a search may put into a context.

Every step is one change of the session's memory, so that concurrent calls, here and at other gateways, queue for it and
a bound holds whatever they do. While the store is away a session that has a budget makes no call. A session without one
costs nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from domain.budgets import Budget, Charge, Prices, Spent, require_time
from domain.errors import BudgetExceeded
from domain.memory import MemoryChange, ToolMemory
from domain.sessions import Session
from domain.steady_clock import steady_time
from gateway.use_cases.catalogue import ServedTool
from store.store import Store

T = TypeVar("T")


class Budgets:
    """Of all sessions. The numbers are in the sessions' memories, the bounds in the sessions."""

    def __init__(self, store: Store, prices: Prices | None = None) -> None:
        self._store = store
        self._prices = prices or Prices()

    async def reserve(self, session: Session, tool: ServedTool) -> float:
        """Take a call into account before it is made; the seconds that the session has left for it.

        Raises BudgetExceeded, SessionNotFound, StoreUnavailable; then nothing is spent and no call may be made.
        """
        entry = tool.entry
        if not session.budget:
            return float("inf")
        elapsed_s = elapsed(session)
        charge = Charge(entry.tool_id, self._prices.of(entry.tool_id, entry.server), elapsed_s)
        await self._spend(session, lambda spent: (None, spent.reserve(session.budget, charge)))
        bound = session.budget.seconds
        return float("inf") if bound is None else bound - elapsed_s

    async def grant(self, session: Session, tokens: int) -> int:
        """How many of a result's tokens may be handed out; they count as handed out. Raises StoreUnavailable."""
        if not _bounds_tokens(session.budget):
            return tokens
        return await self._spend(session, lambda spent: spent.grant(session.budget, tokens, self._prices.token))

    async def afford(self, session: Session, sizes: Sequence[int]) -> int:
        """How many texts of so many tokens, the first ones, may be shown whole: what a search found, a page.

        Raises BudgetExceeded when the time is over, or there are some and none fits.
        """
        require_time(session.budget, elapsed(session))
        if not sizes or not _bounds_tokens(session.budget):
            return len(sizes)
        shown = await self._spend(session, lambda spent: spent.grant_each(session.budget, sizes, self._prices.token))
        if not shown:
            raise BudgetExceeded(
                f"What was asked for takes {sizes[0]} tokens, more than the session's budget has left; "
                "go on with what you have, or in a session with a larger budget."
            )
        return shown

    async def _spend(self, session: Session, step: Callable[[Spent], tuple[T, Spent]]) -> T:
        answer: list[T] = []

        def apply(memory: ToolMemory) -> MemoryChange:
            given, spent = step(memory.spent)
            answer[:] = [given]  # may be asked again: the last answer is the one that was written
            return MemoryChange(replace(memory, spent=spent))

        await self._store.sessions.update_memory(session.tenant, session.subject, session.id, apply, steady_time())
        return answer[0]


def elapsed(session: Session) -> float:
    """Seconds since the session was opened."""
    return max(0.0, steady_time() - session.created_at)


def _bounds_tokens(budget: Budget) -> bool:
    return budget.tokens is not None or budget.cost is not None
