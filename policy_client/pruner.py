"""The policy as pruner of a tool memory (domain/memory_ports.py): what it would give back rather than call, leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence

from domain.memory import ToolMemory
from policy_client.decision import MOST_OPTIONS, Option, Question
from policy_client.router import Router


class PolicyPruner:
    """Raises ModelUnavailable."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
        """Looks at the tools that were longest not seen: as many as one question may name."""
        loose = [entry for entry in memory.entries.values() if not entry.pinned]
        oldest = sorted(loose, key=lambda entry: (entry.seen_turn, entry.tool_id))[:MOST_OPTIONS]
        if not oldest:
            return ()
        options = [
            Option(entry.tool_id, entry.reason, {"called": math.log1p(entry.uses)}, held=True) for entry in oldest
        ]
        decision = await self._router.decide(Question(messages[-1] if messages else "", tuple(options)))
        return decision.leaving
