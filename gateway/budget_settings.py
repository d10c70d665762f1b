"""Settings of budgets: what no session may exceed, and what calls and tokens cost."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from domain.budgets import Budget, Prices


class BudgetSettings(BaseSettings):
    """A part of `gateway.settings.Settings`. A session that is opened with a budget has the smaller bound of both."""

    budget_calls: int | None = Field(default=None, ge=0, description="Most calls of one session.")
    budget_tokens: int | None = Field(
        default=None, ge=0, description="Most estimated tokens that a session is shown: definitions and results."
    )
    budget_cost: float | None = Field(default=None, ge=0, description="Most that a session's calls and tokens cost.")
    budget_s: float | None = Field(default=None, ge=0, description="Seconds after its opening that a session calls.")
    prices: dict[str, float] = Field(
        default={}, description='What a call costs, by tool id or server, as JSON: {"finance": 0.01}.'
    )
    token_price: float = Field(default=0.0, ge=0, description="What a token of an answer costs, in the same unit.")

    @property
    def budget(self) -> Budget:
        return Budget(self.budget_calls, self.budget_tokens, self.budget_cost, self.budget_s)

    @property
    def price_list(self) -> Prices:
        return Prices(self.prices, self.token_price)
