"""All sessions' ledgers added up since this process started, for `/metrics`: no session, subject or tool is named."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.ledger import Ledger

COUNTED = ("requests", "extra_turns", "answered", "reread", "written", "kept", "rewrites")
"""Fields of a ledger that only grow."""


@dataclass(slots=True)
class LedgerTotals:
    """Counts of every session together."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))

    def add(self, before: Ledger, after: Ledger) -> None:
        """What one change of a memory added to its session's ledger."""
        if before is after:
            return
        for name in COUNTED:
            self.counts[name] += getattr(after, name) - getattr(before, name)
