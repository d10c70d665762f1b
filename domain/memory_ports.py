"""The ports of the tool memory: who prunes at a turn, and who says what to search for. Their rules stand beside them,
are what a session gets when it names nothing else, and are the fakes of the others (tests/contracts/).

Refuses to know: what a policy or a model is, how it is asked, when it is too late.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.errors import ModelUnavailable
from domain.memory import ToolMemory
from domain.memory_turns import due
from domain.sessions import PrunerKind

MAX_QUERY_WORDS = 60


class Pruner(Protocol):
    """Decides what leaves when a turn begins."""

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
        """Ids of held tools that leave, each once, pinned ones not among them. `messages`: the turn's, the newest last.

        Raises ModelUnavailable.
        """
        ...


class Searcher(Protocol):
    """Says what to search for at the beginning of a turn."""

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
        """One query per need, none empty; none at all when nothing is missing. Raises ModelUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was decided, and the names of the parts that failed and were done by the rule."""

    names: tuple[str, ...]
    degraded: tuple[str, ...] = ()


class RulePruner:
    """The rule of the memory's mode. Never fails."""

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
        return due(memory, messages)


class RuleSearcher:
    """The newest message, as it is: the retriever splits it into clauses. Never fails."""

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:  # noqa: ARG002 - a model may
        # look at what is held; the rule searches anyway, since what is found again costs nothing
        newest = " ".join((messages[-1] if messages else "").split()[:MAX_QUERY_WORDS])
        return (newest,) if newest else ()


class Deciders:
    """Asks what a session named; what is absent or fails is replaced by the rule, and the verdict says so."""

    def __init__(
        self, pruners: Mapping[PrunerKind, Pruner] | None = None, searchers: Mapping[PrunerKind, Searcher] | None = None
    ) -> None:
        self._pruners = {**(pruners or {}), PrunerKind.RULE: RulePruner()}
        self._searchers = {**(searchers or {}), PrunerKind.RULE: RuleSearcher()}

    async def prune(self, kind: PrunerKind, memory: ToolMemory, messages: Sequence[str]) -> Verdict:
        """Modes that ask no pruner have their rule."""
        chosen = self._pruners.get(kind) if memory.mode.asks_pruner else self._pruners[PrunerKind.RULE]
        try:
            if chosen is not None:
                return Verdict(await chosen(memory, messages))
        except ModelUnavailable:
            pass
        return Verdict(due(memory, messages), ("pruner",))

    async def search_for(self, kind: PrunerKind, memory: ToolMemory, messages: Sequence[str]) -> Verdict:
        """The queries of a workflow turn."""
        chosen = self._searchers.get(kind)
        try:
            if chosen is not None:
                return Verdict(await chosen(memory, messages))
        except ModelUnavailable:
            pass
        return Verdict(await self._searchers[PrunerKind.RULE](memory, messages), ("searcher",))
