"""What a session may spend on its tools, and what it has spent: calls, tokens, cost, time. Pure, frozen values.

Inspired by BATS (paper 3): C = c_token + sum of c_i p_i, bounded per resource and per tool, and shown to
the agent as a block. What a call is known to take is reserved before it is made; what its result takes is granted when
it is there, never more than is left. So a bound holds after every operation, in whatever order calls end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from domain.errors import BudgetExceeded, InvalidInput

N = TypeVar("N", int, float)

_MORE = "stop, or go on in a session with a larger budget."


@dataclass(frozen=True, slots=True)
class Prices:
    """In the operator's unit. `calls`: by tool id, else by server slug, what a call costs; `token`: one token."""

    calls: Mapping[str, float] = field(default_factory=dict)
    token: float = 0.0

    def of(self, tool_id: str, server: str) -> float:
        return self.calls.get(tool_id, self.calls.get(server, 0.0))


@dataclass(frozen=True, slots=True)
class Budget:
    """Of one session; None bounds nothing. `seconds` run from the session's opening; `tools`: calls by tool id."""

    calls: int | None = None
    tokens: int | None = None  # estimated, of definitions found and results handed out
    cost: float | None = None
    seconds: float | None = None
    tools: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bounds = {"calls": self.calls, "tokens": self.tokens, "cost": self.cost, "seconds": self.seconds, **self.tools}
        for name, bound in bounds.items():
            if bound is not None and not (math.isfinite(bound) and bound >= 0):
                raise InvalidInput(f"A budget's bound is a number from 0, not {bound} for {name!r}.")

    def __bool__(self) -> bool:
        """Whether it bounds anything."""
        return self != Budget()

    def within(self, outer: Budget) -> Budget:
        """The smaller of both in every bound."""
        tools = {
            name: min(bounds[name] for bounds in (self.tools, outer.tools) if name in bounds)
            for name in {**outer.tools, **self.tools}
        }
        return Budget(
            _smaller(self.calls, outer.calls),
            _smaller(self.tokens, outer.tokens),
            _smaller(self.cost, outer.cost),
            _smaller(self.seconds, outer.seconds),
            tools,
        )


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call is known to take before it is made. `elapsed_s`: since its session was opened."""

    tool_id: str
    price: float = 0.0
    elapsed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one session. Counts calls that were begun, whatever became of them."""

    calls: int = 0
    tokens: int = 0
    cost: float = 0.0
    tools: Mapping[str, int] = field(default_factory=dict)  # calls of the tools that have a bound of their own

    def reserve(self, budget: Budget, charge: Charge) -> Spent:
        """With this call in it. Raises BudgetExceeded when it does not fit; then nothing is spent."""
        require_time(budget, charge.elapsed_s)
        of_tool = self.tools.get(charge.tool_id, 0)
        if budget.calls is not None and self.calls >= budget.calls:
            raise BudgetExceeded(f"The session's {budget.calls} calls are made; {_MORE}")
        if charge.tool_id in budget.tools and of_tool >= budget.tools[charge.tool_id]:
            raise BudgetExceeded(
                f"The session's {budget.tools[charge.tool_id]} calls of {charge.tool_id!r} are made; "
                "use another tool, or a session with a larger budget."
            )
        if budget.cost is not None and self.cost + charge.price > budget.cost:
            raise BudgetExceeded(
                f"A call of {charge.tool_id!r} costs {charge.price:g} and the session has "
                f"{budget.cost - self.cost:g} left; use a cheaper tool, or a session with a larger budget."
            )
        self._require_tokens(budget)
        tools = {**self.tools, charge.tool_id: of_tool + 1} if charge.tool_id in budget.tools else self.tools
        return replace(self, calls=self.calls + 1, cost=self.cost + charge.price, tools=tools)

    def grant(self, budget: Budget, wanted: int, token_price: float = 0.0) -> tuple[int, Spent]:
        """As many of the `wanted` tokens as are left and can be paid for, and with these in it."""
        granted = wanted if budget.tokens is None else min(wanted, budget.tokens - self.tokens)
        if budget.cost is not None and token_price > 0:
            granted = math.floor(min(granted, (budget.cost - self.cost) / token_price))
            while granted > 0 and self.cost + granted * token_price > budget.cost:  # the division was rounded
                granted -= 1
        granted = max(granted, 0)
        return granted, replace(self, tokens=self.tokens + granted, cost=self.cost + granted * token_price)

    def grant_each(self, budget: Budget, sizes: Sequence[int], token_price: float = 0.0) -> tuple[int, Spent]:
        """How many of these, from the first on, are granted whole, and with them in it."""
        spent = self
        for number, size in enumerate(sizes):
            granted, after = spent.grant(budget, size, token_price)
            if granted < size:
                return number, spent
            spent = after
        return len(sizes), spent

    def calls_left(self, budget: Budget) -> float:
        """The share of the calls allowed that is left; 1 where they have no bound."""
        if budget.calls is None:
            return 1.0
        return max(0.0, 1.0 - self.calls / budget.calls) if budget.calls else 0.0

    def _require_tokens(self, budget: Budget) -> None:
        """A call whose result could not be handed out at all is not made."""
        if budget.tokens is not None and self.tokens >= budget.tokens:
            raise BudgetExceeded(f"The session's {budget.tokens} tokens are spent; {_MORE}")


def require_time(budget: Budget, elapsed_s: float) -> None:
    """Raises BudgetExceeded when the session's time is over."""
    if budget.seconds is not None and elapsed_s >= budget.seconds:
        raise BudgetExceeded(f"The session's {budget.seconds:g} seconds are over; {_MORE}")


def block(budget: Budget, spent: Spent, elapsed_s: float) -> str:
    """What an agent reads after every answer: used and remaining of each bound (BATS, budget tracker)."""
    lines = []
    if budget.calls is not None:
        lines.append(f"Calls used: {spent.calls}, remaining: {budget.calls - spent.calls}.")
    for name, bound in sorted(budget.tools.items()):
        used = spent.tools.get(name, 0)
        lines.append(f"{name} used: {used}, remaining: {bound - used}.")
    if budget.tokens is not None:
        lines.append(f"Tokens used: {spent.tokens}, remaining: {budget.tokens - spent.tokens}.")
    if budget.cost is not None:
        lines.append(f"Cost used: {spent.cost:g}, remaining: {budget.cost - spent.cost:g}.")
    if budget.seconds is not None:
        lines.append(f"Seconds remaining: {max(0.0, budget.seconds - elapsed_s):.0f}.")
    return f"<budget>{' '.join(lines)}</budget>"


def _smaller(one: N | None, other: N | None) -> N | None:
    return min((bound for bound in (one, other) if bound is not None), default=None)
