"""The net ledger of one session: what Toolcrib cost its agent's prompts, against what it spared them. Pure.

Everything is counted in estimated tokens as a provider bills them: read from its prompt cache at 0.1, written to it at
1.25. Spared is the catalogue as a whole in every request that the work itself takes; spent are Toolcrib's own tools,
what searches answered, the tools bound natively, the requests that only a search or a removal took, and what had to be
written anew. Counts are of what Toolcrib sees: an agent that answers without any call costs and spares nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.memory_entries import MemoryEntry

CACHED, WRITTEN = 0.1, 1.25
"""Price of a prompt token read from a provider's cache, and written to it, in plain tokens."""

META_TOOLS_BYTES = 1300
META_TOOLS_TOKENS = 325
"""The three meta-tools at most (interfaces.md section 4)."""

CONVERSATION_TOKENS = 4000
"""What stands behind the tools in a prompt: an extra request reads it once more, a changed array has it written anew.
Nobody tells Toolcrib how long a conversation is; this is an assumption, and a low one.
"""

JUDGED_FROM = 10
"""Requests before anything is suggested."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Counts of one session. Tokens are estimates."""

    requests: int = 0  # to a model, as far as Toolcrib sees: one per search, call, removal and turn
    extra_turns: int = 0  # of these, for a search or a removal
    answered: int = 0  # tokens that these answered
    reread: int = 0  # those again, once for every later request
    written: int = 0  # tokens of bound tools that a request wrote to the cache
    kept: int = 0  # and that it read from there
    rewrites: int = 0  # requests whose array did not begin with the one before
    bound: int = 0  # tools of the last array
    intact: int = 0  # of these, that still stand where they stood

    def asked(self, answer_tokens: int) -> Ledger:
        """A request that was made for Toolcrib's sake, and its answer."""
        one = self.worked()
        return replace(one, extra_turns=one.extra_turns + 1, answered=one.answered + answer_tokens)

    def worked(self) -> Ledger:
        """A request that the work itself takes: a call of a tool, the first of a turn."""
        return replace(self, requests=self.requests + 1, reread=self.reread + self.answered)

    def bind(self, entries: Sequence[MemoryEntry]) -> Ledger:
        """The array of a request: these tools in this order."""
        intact = min(self.intact, len(entries))
        read = sum(entry.tokens for entry in entries[:intact])
        return replace(
            self,
            written=self.written + sum(entry.tokens for entry in entries[intact:]),
            kept=self.kept + read,
            rewrites=self.rewrites + (self.intact < self.bound),
            bound=len(entries),
            intact=len(entries),
        )

    def followed(self, before: Sequence[str], after: Sequence[str]) -> Ledger:
        """The memory's order was changed: what was bound stands where it stood up to the first difference."""
        same = 0
        for old, new in zip(before[: self.intact], after, strict=False):
            if old != new:
                break
            same += 1
        return self if same == self.intact else replace(self, intact=same)


@dataclass(frozen=True, slots=True)
class Balance:
    """A ledger in billed tokens. `break_even`: tokens of a catalogue that this session's way of working would have paid
    for exactly; a smaller one is cheaper bound as a whole.
    """

    meta_tools: float
    answers: float
    bound: float
    extra_turns: float
    cache_rewrites: float
    spared: float
    break_even: float
    catalogue: int
    requests: int

    @property
    def spent(self) -> float:
        return self.meta_tools + self.answers + self.bound + self.extra_turns + self.cache_rewrites

    @property
    def net(self) -> float:
        return self.spared - self.spent

    @property
    def suggests_passthrough(self) -> bool:
        """Whether this session has shown for long enough that the catalogue as a whole would have been cheaper."""
        return self.requests >= JUDGED_FROM and 0 < self.catalogue < self.break_even


def balance(ledger: Ledger, catalogue_tokens: int, *, has_meta_tools: bool) -> Balance:
    """`catalogue_tokens`: of every tool that is served; `has_meta_tools`: whether they are in the session's prompts."""
    own_work = ledger.requests - ledger.extra_turns
    whole = _prompted(own_work)
    costs = {
        "meta_tools": META_TOOLS_TOKENS * _prompted(ledger.requests) if has_meta_tools else 0.0,
        "answers": WRITTEN * ledger.answered + CACHED * ledger.reread,
        "bound": WRITTEN * ledger.written + CACHED * ledger.kept,
        "extra_turns": CACHED * CONVERSATION_TOKENS * ledger.extra_turns,
        "cache_rewrites": (WRITTEN - CACHED) * CONVERSATION_TOKENS * ledger.rewrites,
    }
    return Balance(
        **costs,
        spared=catalogue_tokens * whole,
        break_even=sum(costs.values()) / whole if whole else 0.0,
        catalogue=catalogue_tokens,
        requests=ledger.requests,
    )


def _prompted(requests: int) -> float:
    """Times that a prefix is billed which stands unchanged in so many requests: written once, then read."""
    return WRITTEN + CACHED * (requests - 1) if requests > 0 else 0.0
