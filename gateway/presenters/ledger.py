"""A session's net ledger as JSON."""

from __future__ import annotations

from typing import Any

from domain.ledger import META_TOOLS_BYTES, META_TOOLS_TOKENS, balance
from domain.memory import ToolMemory
from domain.tokens import BYTES_PER_TOKEN


def ledger_json(memory: ToolMemory, catalogue_tokens: int) -> dict[str, Any]:
    """Under `ledger`: counts as they are, then `spent`, `spared` and `net` in tokens as a provider bills them."""
    ledger, meta = memory.ledger, memory.mode.system_tools > 0
    judged = balance(ledger, catalogue_tokens, has_meta_tools=meta)
    costs = {
        "meta_tools": judged.meta_tools,
        "answers": judged.answers,
        "bound": judged.bound,
        "extra_turns": judged.extra_turns,
        "cache_rewrites": judged.cache_rewrites,
        "total": judged.spent,
    }
    return {
        "ledger": {
            "requests": ledger.requests,
            "extra_turns": ledger.extra_turns,
            "cache_rewrites": ledger.rewrites,
            "meta_tools": {
                "bytes": META_TOOLS_BYTES if meta else 0,
                "tokens": META_TOOLS_TOKENS if meta else 0,
            },
            "answers": {"bytes": ledger.answered * BYTES_PER_TOKEN, "tokens": ledger.answered},
            "bound": {"written_tokens": ledger.written, "cached_tokens": ledger.kept},
            "spent": {name: round(cost) for name, cost in costs.items()},
            "spared": round(judged.spared),
            "net": round(judged.net),
            "catalogue_tokens": judged.catalogue,
            "break_even_tokens": round(judged.break_even),
            "suggestion": _suggestion(judged.catalogue, judged.break_even) if judged.suggests_passthrough else None,
        }
    }


def _suggestion(catalogue: int, break_even: float) -> str:
    return (
        f"All tools together are about {catalogue:,} tokens, below this session's break-even of {break_even:,.0f}: "
        "mode passthrough would be cheaper."
    )
