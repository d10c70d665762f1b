"""`toolcrib eval next-tool`: given how a session went so far, which tool is called next? The keys of the result are
those of interfaces.md section 2.

Asked at every call that has one before it. Learnt on the folder's own `train` split, else on `dev`, else not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.errors import InvalidInput
from gateway.evaluation.texts import Progress, TextVectors, searched
from index.evaluation.recorded_sessions import RecordedSession, RecordedSessions, load_recorded_sessions
from index.ports import Embedder
from policy_client.next_tool.baselines import Markov, Ranker, repeat_last
from policy_client.next_tool.model import NextTool
from policy_client.next_tool.situation import Example, Sessions, Situation, ToolTable, Vectors

LEARNT_ON = ("train", "dev")
DEPTHS = (1, 5)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data set as the predictor sees it."""

    name: str
    tools: ToolTable
    splits: Mapping[str, Sessions]  # by the first words of a split's name


async def evaluate_next_tool(
    dataset: Path, embedder: Embedder, cache: Path, progress: Progress, *, split: str = "test"
) -> dict[str, Any]:
    """Hits of the predictor, of the same without statistics, of a first-order Markov chain and of repeating the last
    tool. Closes `embedder`. Raises InvalidInput.
    """
    prepared = await prepare(dataset, embedder, cache, progress, splits=(*LEARNT_ON, split))
    asked = prepared.splits[split]
    if not any(len(session) > 1 for session in asked):
        raise InvalidInput(f"{dataset} has no session of split {split!r} with a call after another.")
    learnt_on = next((name for name in LEARNT_ON if prepared.splits[name] and name != split), None)
    learnt = prepared.splits[learnt_on] if learnt_on else ()
    prior = NextTool.prior(prepared.tools)
    model = NextTool.fit(learnt, prepared.tools) if learnt else prior
    progress("Predicting", 0, 1)
    return {
        "dataset": prepared.name,
        "split": split,
        "learnt_on": learnt_on,
        "steps": sum(len(session) - 1 for session in asked),
        **hits(model.rank, asked),
        "markov1": hits(Markov(learnt, prepared.tools).rank, asked),
        "repeat": hits(repeat_last, asked),
        "prior": hits(prior.rank, asked),
    }


async def prepare(
    dataset: Path, embedder: Embedder, cache: Path, progress: Progress, *, splits: Sequence[str]
) -> Prepared:
    """Embed and search every text once. Closes `embedder`."""
    data = load_recorded_sessions(dataset)
    wanted = [session for split in dict.fromkeys(splits) for session in data.of(split)]
    queries = list(dict.fromkeys(call.query for session in wanted for call in session.calls if call.query))
    vectors = TextVectors(embedder, cache)
    try:
        tools = _table(data, await vectors([tool.document.text.concat for tool in data.tools], progress))
        embedded = dict(zip(queries, await vectors(queries, progress), strict=True))
        found = await searched(data.tools, queries, embedder, cache, progress)
    finally:
        await embedder.close()
    examples = _Examples(tools, embedded, found)
    return Prepared(data.name, tools, {split: [examples.of(session) for session in data.of(split)] for split in splits})


def hits(ranker: Ranker, asked: Sessions) -> dict[str, float]:
    """Share of the calls after the first of a session that are among the first 1 and 5 of a ranking."""
    ranks = [
        next((place for place, tool in enumerate(ranker(example.situation)) if tool == example.tool), None)
        for session in asked
        for example in session[1:]
    ]
    return {f"hit@{k}": float(np.mean([rank is not None and rank < k for rank in ranks])) for k in DEPTHS}


class _Examples:
    """Sessions in numbers."""

    def __init__(self, tools: ToolTable, embedded: Mapping[str, Vectors], found: Mapping[str, Vectors]) -> None:
        self._numbers = {tool_id: number for number, tool_id in enumerate(tools.ids)}
        self._embedded = embedded
        self._found = found
        self._silence = np.zeros(tools.vectors.shape[1], dtype=np.float32)
        self._nothing = np.zeros(len(tools), dtype=np.float32)

    def of(self, session: RecordedSession) -> list[Example]:
        made: list[Example] = []
        said: str | None = None
        for call in session.calls:
            said = call.query or said
            situation = Situation(
                query=self._embedded[said] if said else self._silence,
                retrieval=self._found[said] if said else self._nothing,
                history=tuple(example.tool for example in made),
                is_new=call.query is not None,
            )
            made.append(Example(situation, self._numbers[call.tool_id]))
        return made


def _table(data: RecordedSessions, vectors: Vectors) -> ToolTable:
    servers = {server: number for number, server in enumerate(dict.fromkeys(tool.server for tool in data.tools))}
    return ToolTable(
        tuple(tool.tool_id for tool in data.tools), vectors, np.array([servers[tool.server] for tool in data.tools])
    )
