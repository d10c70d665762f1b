"""A session's budget as JSON: bounds, what is spent, and the block that its agent reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from domain.budgets import Spent, block
from domain.sessions import Session
from gateway.use_cases.budgets import elapsed


def budget_json(session: Session, spent: Spent) -> dict[str, Any]:
    """Empty for a session without a budget."""
    if not session.budget:
        return {}
    seconds = round(elapsed(session), 3)
    return {
        "budget": {
            "limits": asdict(session.budget),
            "spent": {**asdict(spent), "seconds": seconds},
            "block": block(session.budget, spent, seconds),
        }
    }
