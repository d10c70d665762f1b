"""What a new session is made with: what its maker says, and the operator's defaults for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from domain.budgets import Budget, Prices
from domain.errors import InvalidInput
from domain.identity import Principal
from domain.sessions import DEFAULT_TTL_S, MemoryMode, PrunerKind, Session, SessionLimits, mint_handle


@dataclass(frozen=True, slots=True)
class SessionDefaults:
    """What a session gets when its maker does not say. None of its kind lives longer unused than `ttl_s`."""

    mode: MemoryMode = MemoryMode.LRU
    max_tools: int = SessionLimits().max_tools
    ttl_s: float = DEFAULT_TTL_S
    max_tokens: int | None = None
    budget: Budget = field(default_factory=Budget)  # none of its kind has a larger one
    prices: Prices = field(default_factory=Prices)


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """None stands for the default."""

    mode: MemoryMode | None = None
    pruner: PrunerKind | None = None
    max_tools: int | None = None
    max_tokens: int | None = None
    idle_turns: int | None = None
    high_water: float | None = None
    low_water: float | None = None
    ttl_s: float | None = None
    budget: Budget | None = None

    def make(self, principal: Principal, defaults: SessionDefaults, now: float) -> Session:
        """A session of this principal under a fresh handle. Raises InvalidInput for bounds that are none."""
        ttl_s = defaults.ttl_s if self.ttl_s is None else self.ttl_s
        if not 0 < ttl_s <= defaults.ttl_s:
            raise InvalidInput(f"A session lives up to {defaults.ttl_s:g} seconds without use, not {ttl_s:g}.")
        own = {"max_tools": defaults.max_tools, "max_tokens": defaults.max_tokens}
        given = {bound.name: getattr(self, bound.name) for bound in fields(SessionLimits)}
        limits = SessionLimits(**own | {name: value for name, value in given.items() if value is not None})
        return Session(
            tenant=principal.tenant,
            id=mint_handle(),
            subject=principal.subject,
            mode=self.mode or defaults.mode,
            limits=limits,
            created_at=now,
            expires_at=now + ttl_s,
            ttl_s=ttl_s,
            pruner=self.pruner or PrunerKind.RULE,
            budget=defaults.budget if self.budget is None else self.budget.within(defaults.budget),
        )
