"""`toolcrib eval memory`: sessions of 100 turns through the memory's own rules and the product's index.

A session is a seeded concatenation of a data set's dialogues. The keys of the result are those of interfaces.md section
2; the others are ours (docs/tool-memory.md).
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from domain.ledger import META_TOOLS_TOKENS
from domain.memory import MemoryChange, ToolMemory
from domain.memory_entries import MemoryEntry
from domain.memory_ports import RuleSearcher
from domain.memory_turns import begin_turn, due
from domain.sessions import MAX_TOOLS, MemoryMode, SessionLimits
from domain.tokens import estimate_tokens
from gateway.evaluation.memory_agents import WITHOUT_TOOLS, Situation, agent_named
from gateway.evaluation.memory_metrics import (
    PromptCost,
    TurnCounts,
    per_batch,
    removal_ratio,
    residual_after_peaks,
    share,
    windowed_removal_ratio,
)
from index.evaluation.dataset import LabelledTool
from index.evaluation.dialogues import Dialogues, DialogueTurn, load_dialogues
from index.evaluation.file_cache import FileVectorCache
from index.ports import Embedder, IndexDocument, SearchRequest
from index.tool_index import ToolIndex, open_index

K = 5
_TENANT = "evaluation"
_BATCH = 256
_MOST_TURNS = 10_000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class MemoryEvaluation:
    """What to measure. The limits are the product's defaults unless said otherwise."""

    dataset: Path
    split: str = "test"
    modes: tuple[MemoryMode, ...] = (MemoryMode.LRU,)
    agents: tuple[str, ...] = ("never",)
    turns: int = 100
    sessions: int = 10
    profile: str = "hybrid"
    limits: SessionLimits = field(default_factory=SessionLimits)

    def __post_init__(self) -> None:
        for agent in self.agents:
            agent_named(agent)
        if not 1 <= self.turns <= _MOST_TURNS or self.sessions < 1:
            raise InvalidInput(
                f"A memory is measured over 1 to {_MOST_TURNS} turns of at least one session, "
                f"not over {self.turns} turns of {self.sessions}."
            )


async def evaluate_memory(
    asked: MemoryEvaluation, embedder: Embedder, cache: Path, progress: Progress
) -> list[dict[str, Any]]:
    """One result per mode and agent, in that order; none for `passthrough` where the catalogue is too large.

    Every text is searched once, whoever asks it. Closes `embedder`.
    """
    data = load_dialogues(asked.dataset, split=asked.split)
    with tempfile.TemporaryDirectory(prefix="toolcrib-eval-") as folder:
        index = await open_index(embedder, cache=FileVectorCache(cache), path=Path(folder))
        try:
            found = _Searches(index, data, asked.profile)
            await found.fill(progress)
            return await _results(asked, data, found, progress)
        finally:
            await index.close()


async def _results(
    asked: MemoryEvaluation, data: Dialogues, found: _Searches, progress: Progress
) -> list[dict[str, Any]]:
    # No session holds a catalogue of more than MAX_TOOLS as a whole, so there is nothing to measure.
    modes = [mode for mode in asked.modes if mode is not MemoryMode.PASSTHROUGH or len(data.tools) <= MAX_TOOLS]
    pairs = [(mode, agent) for mode in modes for agent in asked.agents]
    results = []
    for done, (mode, agent) in enumerate(pairs):
        runs = []
        for seed in range(asked.sessions):
            progress(f"{mode.value}, {agent}", done * asked.sessions + seed, len(pairs) * asked.sessions)
            runs.append(await _Run(asked, data, found, mode, agent).play(seed))
        results.append(
            {
                "dataset": data.name,
                "split": asked.split,
                "mode": mode.value,
                "agent": agent,
                "sessions": asked.sessions,
                "turns": asked.turns,
                **_means(runs),
            }
        )
    return results


def _means(runs: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Over sessions; over those that have a value where some have none."""
    means: dict[str, float | None] = {}
    for key in runs[0]:
        values = [value for run in runs if (value := run[key]) is not None]
        means[key] = sum(values) / len(values) if values else None
    return means


class _Searches:
    """The product's answers, each text asked once."""

    def __init__(self, index: ToolIndex, data: Dialogues, profile: str) -> None:
        self._index = index
        self._data = data
        self._profile = profile
        self._answers: dict[str, tuple[str, ...]] = {}
        self.tokens = {tool.tool_id: _tokens(tool) for tool in data.tools}

    async def fill(self, progress: Progress) -> None:
        documents = [
            IndexDocument(_TENANT, tool.tool_id, tool.server, tool.document.text, tool.document.semantic_hash, 1)
            for tool in self._data.tools
        ]
        for start in range(0, len(documents), _BATCH):
            await self._index.upsert(documents[start : start + _BATCH])
            progress("Indexing tools", min(start + _BATCH, len(documents)), len(documents))
        await self._index.advance(1)

    async def __call__(self, query: str) -> tuple[str, ...]:
        if query not in self._answers:
            [ranking] = await self._index.search(SearchRequest(_TENANT, (query,), K, self._profile))
            self._answers[query] = tuple(candidate.tool_id for candidate in ranking.candidates)
        return self._answers[query]


class _Run:
    """One session of one agent in one mode."""

    def __init__(
        self, asked: MemoryEvaluation, data: Dialogues, found: _Searches, mode: MemoryMode, agent: str
    ) -> None:
        self._asked = asked
        self._data = data
        self._found = found
        self._agent = agent_named(agent) if mode.system_tools else WITHOUT_TOOLS
        self._others = [turn.text for dialogue in data.dialogues for turn in dialogue]
        self._system = [("system", META_TOOLS_TOKENS)] if mode.system_tools else []
        self._memory = ToolMemory(self._limits(mode), mode)
        self._cost = PromptCost()
        self._counts = TurnCounts()
        self._clock = 0.0

    async def play(self, seed: int) -> dict[str, float | None]:
        session = self._data.session(self._asked.turns, seed)
        dice = random.Random(seed)  # noqa: S311 - no secret, and the same everywhere
        turns: list[TurnCounts] = []
        if self._memory.mode is MemoryMode.PASSTHROUGH:
            self._apply(self._memory.add(self._entry(tool.tool_id, "passthrough") for tool in self._data.tools))
        for number, turn in enumerate(session, start=1):
            await self._answer(turn, dice)
            ahead = [session[number].text] if number < len(session) else []
            leaving = due(self._memory, ahead)
            self._counts.is_batch = self._memory.mode is MemoryMode.CACHE_AWARE and len(leaving) > 0
            self._apply(begin_turn(self._memory, leaving, announced=True))
            self._counts.residual = len(self._memory)
            turns.append(self._counts)
            self._counts = TurnCounts()
        return self._summary(turns)

    async def _answer(self, turn: DialogueTurn, dice: random.Random) -> None:
        self._clock += 1.0
        of_turn: Sequence[str] = ()
        if self._memory.mode.searches_at_turn:
            of_turn = await RuleSearcher()(self._memory, [turn.text])
        found = await self._search(of_turn)
        self._bind()
        self._apply(self._memory.add(self._entry(name, "call") for name in self._agent.recalls(self._now(turn, dice))))
        now = self._now(turn, dice)
        asks = self._agent.asks(now)
        found |= await self._search(asks)
        if asks:
            self._bind()
        if asks or of_turn:
            wanted = self._agent.wants(now)
            self._counts.found_all = all(turn.held_of(gold, found) for gold in wanted) if wanted else None
        self._use(turn)
        self._counts.peak = len(self._memory)
        self._apply(self._memory.remove(self._agent.returns(self._now(turn, dice))))

    async def _search(self, queries: Sequence[str]) -> dict[str, None]:
        """What was found, all of it offered to the memory."""
        found: dict[str, None] = {}
        for query in queries:
            answer = await self._found(query)
            found.update(dict.fromkeys(answer))
            self._apply(self._memory.add(self._entry(tool_id, f"search: {query}"[:120]) for tool_id in answer))
        return found

    def _use(self, turn: DialogueTurn) -> None:
        """Call what is needed and held."""
        held = [turn.held_of(gold, self._memory.entries) for gold in turn.gold]
        self._counts.had_all = None not in held if held else None
        for name in held:
            if name is not None:
                self._memory = self._memory.used(name, self._clock)

    def _now(self, turn: DialogueTurn, dice: random.Random) -> Situation:
        return Situation(turn, self._memory, self._others, dice)

    def _limits(self, mode: MemoryMode) -> SessionLimits:
        if mode is not MemoryMode.PASSTHROUGH:
            return self._asked.limits
        return SessionLimits(len(self._data.tools))

    def _entry(self, tool_id: str, reason: str) -> MemoryEntry:
        return MemoryEntry(tool_id, reason, self._clock, self._found.tokens[tool_id], self._clock)

    def _apply(self, change: MemoryChange) -> None:
        before, self._memory = self._memory, change.memory
        self._counts.added += len(self._memory.entries.keys() - before.entries.keys())
        self._counts.removed += len(before.entries.keys() - self._memory.entries.keys())

    def _bind(self) -> None:
        """One request to a model with what is held."""
        self._cost.bind([*self._system, *((entry.tool_id, entry.tokens) for entry in self._memory.entries.values())])

    def _summary(self, turns: Sequence[TurnCounts]) -> dict[str, float | None]:
        had, found = share([turn.had_all for turn in turns]), share([turn.found_all for turn in turns])
        in_cycle, at_low = per_batch(turns)
        return {
            "removal_ratio": removal_ratio(turns),
            "avg_removal_ratio_3t": windowed_removal_ratio(turns),
            "avg_residual_3": residual_after_peaks(turns),
            "tools_added": sum(turn.added for turn in turns),
            "availability": had,
            "tokens": sum(self._cost.tokens) / len(self._cost.tokens),
            "cache_rewrites": self._cost.rewrites,
            "complete_recall": found,
            "billed_tokens": sum(self._cost.billed) / len(self._cost.billed),
            "peak": max(turn.peak for turn in turns),
            "batches": sum(turn.is_batch for turn in turns),
            "removal_ratio_per_batch": in_cycle,
            "residual_at_batch": at_low,
        }


def _tokens(tool: LabelledTool) -> int:
    """As the gateway counts a served tool's definition."""
    return estimate_tokens(json.dumps(tool.document.raw, separators=(",", ":"), ensure_ascii=False))
