"""Budgets: 10,000 random runs of searches, calls and pages at once, on a real store; no bound is ever exceeded."""

from __future__ import annotations

import asyncio
import random
import tempfile
from dataclasses import dataclass, field, replace

from benchmarks.report import Promise
from domain.budgets import Budget, Prices
from domain.errors import BudgetExceeded
from domain.identity import LOCAL
from domain.memory import ToolMemory
from domain.sessions import Session, mint_handle
from domain.steady_clock import steady_time
from gateway.use_cases.budgets import Budgets
from gateway.use_cases.catalogue import ServedTool
from store.store import Store
from tests.store.making import a_session, a_tool

RUNS = 10_000
TOOLS = [ServedTool.of(a_tool(name)) for name in ("read", "write", "list")]
IDS = [tool.entry.tool_id for tool in TOOLS]


@dataclass(slots=True)
class Account:
    """What one run was allowed, counted by whoever asked and not by the budget."""

    calls: list[str] = field(default_factory=list)
    tokens: int = 0
    refusals: int = 0


async def run(*, full: bool) -> list[Promise]:  # noqa: ARG001 - 10,000 runs in either form
    dice = random.Random(8)
    exceeded = wrong = refused = 0
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(f"sqlite:///{folder}/toolcrib.db")
        try:
            for _ in range(RUNS):
                prices = Prices({IDS[0]: dice.choice([0.1, 1.0]), "files": 0.25}, dice.choice([0.0, 0.001, 0.1]))
                session = await _opened(store, _budget(dice))
                account = await _busy(Budgets(store, prices), session, dice)
                _, memory = await store.sessions.get(LOCAL.tenant, None, session.id, steady_time())
                exceeded += _exceeds(account, session.budget, prices)
                wrong += not _agrees(account, memory, session.budget)
                refused += account.refusals > 0
        finally:
            await store.close()
    return [
        Promise("budget_runs_with_a_bound_exceeded", exceeded, 0),
        Promise("budget_runs_whose_account_is_wrong", wrong, 0),
        Promise("budget_share_of_runs_that_met_a_bound", refused / RUNS, 0.5, at_most=False),
    ]


def _budget(dice: random.Random) -> Budget:
    return Budget(
        calls=dice.choice([None, 0, 1, 3, 7]),
        tokens=dice.choice([None, 0, 50, 400]),
        cost=dice.choice([None, 0.0, 0.3, 2.0]),
        tools={
            name: dice.randint(0, 3) for name in IDS[:2] if dice.random() < 0.5
        },  # the third has no bound of its own
    )


async def _opened(store: Store, budget: Budget) -> Session:
    now = steady_time()
    session = replace(a_session(mint_handle(), created_at=now), budget=budget)
    await store.sessions.create(session, ToolMemory(session.limits, session.mode))
    return session


async def _busy(budgets: Budgets, session: Session, dice: random.Random) -> Account:
    """Up to twelve calls and searches begun at once, each of which goes on whenever it gets its turn."""
    account = Account()
    pauses, sizes = [dice.randint(0, 3) for _ in range(12)], [dice.randint(0, 120) for _ in range(12)]

    async def call(number: int) -> None:
        tool = TOOLS[number % len(TOOLS)]
        try:
            for _ in range(pauses[number]):
                await asyncio.sleep(0)
            await budgets.reserve(session, tool)
            account.calls.append(tool.entry.tool_id)
            granted = await budgets.grant(session, sizes[number])
            account.tokens += granted
        except BudgetExceeded:
            account.refusals += 1

    async def search(number: int) -> None:
        found = sizes[number : number + 3]
        try:
            shown = await budgets.afford(session, found)
            account.tokens += sum(found[:shown])
        except BudgetExceeded:
            account.refusals += 1

    steps = [search(number) if number % 4 == 0 else call(number) for number in range(dice.randint(1, 12))]
    await asyncio.gather(*steps)
    return account


def _exceeds(account: Account, budget: Budget, prices: Prices) -> bool:
    cost = sum(prices.of(name, "files") for name in account.calls) + account.tokens * prices.token
    return (
        (budget.calls is not None and len(account.calls) > budget.calls)
        or (budget.tokens is not None and account.tokens > budget.tokens)
        or (budget.cost is not None and cost > budget.cost + 1e-9)  # their sum in another order is rounded otherwise
        or any(account.calls.count(name) > bound for name, bound in budget.tools.items())
    )


def _agrees(account: Account, memory: ToolMemory, budget: Budget) -> bool:
    """Whether what the session says it has spent is what was allowed; tokens are counted where they are bounded."""
    spent = memory.spent
    counts_calls, counts_tokens = bool(budget), budget.tokens is not None or budget.cost is not None
    return (
        spent.calls == (len(account.calls) if counts_calls else 0)
        and spent.tokens == (account.tokens if counts_tokens else 0)
        and (budget.cost is None or spent.cost <= budget.cost)
    )
