"""Which tools leave first. Pure, and a total order: equal memories always lose the same tools.

A tool's worth adds up how lately it was found or called, how often it was called, and how much of what is being
talked about its name and its reason share. MemTool leaves this to a model; a rule is free, and never late.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterable
from functools import partial

from domain.memory_entries import MemoryEntry
from domain.text import words

Worth = Callable[[MemoryEntry], float]

RECENCY, USE, EVIDENCE = 1.0, 1.0, 0.5
"""Weights; docs/tool-memory.md has the runs they were chosen by."""

_USE_FADES = 0.7  # per turn: a tool called often, but long ago, is worth less than one called now
_WORD = re.compile(r"[a-z0-9]{3,}")
_NO_EVIDENCE = frozenset({"the", "and", "for", "with", "that", "this", "you", "can", "please", "search", "call"})


def evidence_in(texts: Iterable[str]) -> frozenset[str]:
    """The words that tell what is being talked about."""
    return frozenset(word for text in texts for word in _WORD.findall(words(text).lower())) - _NO_EVIDENCE


def worth(entry: MemoryEntry, turn: int, evidence: Collection[str] = frozenset()) -> float:
    """How much the session would miss this tool; higher is more."""
    idle = max(0, turn - entry.seen_turn)
    about = evidence_in((entry.tool_id, entry.reason)) if evidence else frozenset()
    shared = len(about.intersection(evidence)) / len(about) if about else 0.0
    return RECENCY / (1 + idle) + USE * math.log2(1 + entry.uses) * _USE_FADES**idle + EVIDENCE * shared


def by_worth(entries: Iterable[MemoryEntry], turn: int, evidence: Collection[str] = frozenset()) -> list[MemoryEntry]:
    """The first to leave first: given back, then the least worth, but what `turn` itself found or called last of all;
    the tool id decides between equals.
    """
    value: Worth = partial(worth, turn=turn, evidence=evidence)

    def place(entry: MemoryEntry) -> tuple[bool, bool, float, str]:
        return not entry.released, entry.seen_turn == turn, value(entry), entry.tool_id

    return sorted(entries, key=place)


def by_last_use(entries: Iterable[MemoryEntry]) -> list[MemoryEntry]:
    """The first to leave first: given back, then the least recently found or called."""
    return sorted(entries, key=lambda entry: (not entry.released, entry.seen_turn, entry.last_used_at, entry.tool_id))
