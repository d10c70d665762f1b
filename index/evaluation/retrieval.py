"""`toolcrib eval retrieval`: a data set through the product's own index, scored.

The keys of the result are those of interfaces.md section 2.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from domain.candidates import Ranking
from domain.errors import InvalidInput
from domain.questions import Question, QuestionSource
from index.evaluation.abstention import evaluate_abstention
from index.evaluation.dataset import LabelledQuery, LabelledTool, Turns, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.evaluation.metrics import Gains, all_metrics, gains
from index.model_ports import ToolTexts
from index.options import IndexOptions
from index.ports import Embedder, IndexDocument, SearchRequest
from index.profiles import fields_of, profile_named
from index.questions.redaction import learnable
from index.searcher import Searcher
from index.tool_index import ToolIndex, open_index

K = 10
_TENANT = "evaluation"
_BATCH = 256
_WARM_UP = 3

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how many are done, and how many there are."""

Stages = Callable[[Searcher, ToolTexts], Searcher]
"""Puts models around the index: a reranker, a language model."""


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """What to measure. `split` takes every split whose name begins so; `limit`: the first queries of those.

    `usage`: queries of these splits are asked before, and become usage questions of their gold tools.
    """

    dataset: Path
    split: str = "test"
    profile: str = "hybrid"
    limit: int | None = None
    turns: str = Turns.THIS
    usage: str | None = None  # a split whose queries the tools have been asked already
    remove_gold: bool = False  # ask every query once more without its gold tools: does search say that nothing fits?

    def __post_init__(self) -> None:
        profile_named(self.profile)
        if self.turns not in set(Turns):
            raise InvalidInput(f"Turns are scored on {' or '.join(Turns)}, not on {self.turns!r}.")
        if self.limit is not None and self.limit < 1:
            raise InvalidInput(f"A limit is at least 1, not {self.limit}.")


async def evaluate_retrieval(
    asked: RetrievalEvaluation,
    embedder: Embedder,
    cache: Path,
    progress: Progress | None = None,
    *,
    stages: Stages | None = None,
) -> dict[str, Any]:
    """Index the tools in a temporary folder, ask every query with k = 10, and score. Closes `embedder`.

    Document vectors are kept in the folder `cache`; query vectors are not, so that latency means what it says.
    """
    report = progress or _silent
    dataset = load_dataset(asked.dataset, split=asked.split, turns=Turns(asked.turns))
    queries = dataset.queries[: asked.limit]
    with tempfile.TemporaryDirectory(prefix="toolcrib-eval-") as folder:
        options = IndexOptions(fields_of(profile_named(asked.profile)))
        index = await open_index(embedder, cache=FileVectorCache(cache), path=Path(folder), options=options)
        try:
            documents = _documents(dataset.tools, _asked_before(asked))
            await _index_tools(index, documents, report)
            searcher = index if stages is None else stages(index, _texts(dataset.tools))
            found, latencies = await _ask(searcher, queries, asked.profile, report)
            removed: dict[str, Any] = {}
            if asked.remove_gold:
                by_id = {document.tool_id: document for document in documents}
                request = SearchRequest(_TENANT, (), K, asked.profile)
                removed = await evaluate_abstention(index, by_id, queries, request, report)
        finally:
            await index.close()
    return {
        "dataset": dataset.name,
        "split": asked.split,
        "profile": asked.profile,
        "tools": len(dataset.tools),
        **({} if asked.usage is None else {"usage": asked.usage}),
        **_scores(queries, found),
        **removed,
        "latency_ms": _percentiles(latencies),
        "subsets": _subsets(queries, found),
        "versions": {"index": index.version, "embedder": embedder.version},
    }


def _asked_before(asked: RetrievalEvaluation) -> Mapping[str, Sequence[Question]]:
    """Usage questions by tool id, as the product would have learnt them. Labels of whole servers teach nothing.

    Raises InvalidInput when the usage overlaps with what is scored.
    """
    if asked.usage is None:
        return {}
    if asked.usage.startswith(asked.split) or asked.split.startswith(asked.usage):
        raise InvalidInput(f"Usage of {asked.usage!r} would show the answers of {asked.split!r}; name another split.")
    questions: dict[str, dict[str, Question]] = {}
    for query in load_dataset(asked.dataset, split=asked.usage, turns=Turns(asked.turns)).queries:
        text = None if query.is_server_level else learnable(query.text)
        for tool_id in query.gold if text is not None else ():
            known = questions.setdefault(tool_id, {})
            uses = known[text].uses + 1 if text in known else 1.0
            known[str(text)] = Question(str(text), QuestionSource.USAGE, uses, time.time())
    return {tool_id: tuple(of_tool.values()) for tool_id, of_tool in questions.items()}


def _documents(tools: Sequence[LabelledTool], questions: Mapping[str, Sequence[Question]]) -> list[IndexDocument]:
    return [_document(tool, tuple(questions.get(tool.tool_id, ()))) for tool in tools]


async def _index_tools(index: ToolIndex, documents: Sequence[IndexDocument], report: Progress) -> None:
    for start in range(0, len(documents), _BATCH):
        await index.upsert(documents[start : start + _BATCH])
        report("Indexing tools", min(start + _BATCH, len(documents)), len(documents))
    await index.advance(1)


def _document(tool: LabelledTool, questions: tuple[Question, ...] = ()) -> IndexDocument:
    document = tool.document
    return IndexDocument(
        _TENANT, tool.tool_id, tool.server, document.text, document.semantic_hash, 1, questions=questions
    )


def _texts(tools: Sequence[LabelledTool]) -> ToolTexts:
    known = {tool.tool_id: tool.document.text.concat for tool in tools}

    async def texts(_tenant: str, tool_ids: Sequence[str]) -> Mapping[str, str]:
        return {tool_id: known[tool_id] for tool_id in tool_ids}

    return texts


async def _ask(
    searcher: Searcher, queries: Sequence[LabelledQuery], profile: str, report: Progress
) -> tuple[list[Gains], list[float]]:
    """Gains per query, and milliseconds per query, embedding included, after a warm-up."""
    found: list[Gains] = []
    latencies: list[float] = []
    for number in range(-_WARM_UP, 0):
        await searcher.search(SearchRequest(_TENANT, (f"warm up {number}",), K, profile))
    for done, query in enumerate(queries, start=1):
        started = time.perf_counter()
        [ranking] = await searcher.search(SearchRequest(_TENANT, (query.text,), K, profile))
        latencies.append((time.perf_counter() - started) * 1e3)
        found.append(_gains(ranking, query))
        report("Asking", done, len(queries))
    return found, latencies


def _gains(ranking: Ranking, query: LabelledQuery) -> Gains:
    if query.is_server_level:
        return gains([candidate.server for candidate in ranking.candidates], query.gold)
    return gains([candidate.tool_id for candidate in ranking.candidates], query.gold, query.alternatives)


def _scores(queries: Sequence[LabelledQuery], found: Sequence[Gains]) -> dict[str, Any]:
    """Number of queries, and the mean of each metric over them."""
    rows = [all_metrics(hits, len(query.gold)) for query, hits in zip(queries, found, strict=True)]
    return {"queries": len(rows), **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]}}


def _subsets(queries: Sequence[LabelledQuery], found: Sequence[Gains]) -> Mapping[str, dict[str, Any]]:
    """The same scores per subset; where a split has several parts, per part too."""
    groups: dict[str, list[int]] = {}
    for number, query in enumerate(queries):
        for name in {query.subset, query.split} - {None}:
            groups.setdefault(str(name), []).append(number)
    return {
        name: _scores([queries[n] for n in numbers], [found[n] for n in numbers])
        for name, numbers in sorted(groups.items())
        if len(numbers) < len(queries)
    }


def _percentiles(latencies: Sequence[float]) -> dict[str, float]:
    return {f"p{rank}": round(float(np.percentile(latencies, rank)), 3) for rank in (50, 95, 99)}


def _silent(stage: str, done: int, total: int) -> None:
    """Nobody is watching."""
