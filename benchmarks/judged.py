"""Labelled queries with everything that the legs found for them: ranked as often as wanted, searched for once.

What `toolcrib eval retrieval` does, in two halves. Query vectors are kept beside the documents', so latency is not
measured here; `toolcrib eval retrieval` and benchmarks/search_latency.py do that.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.real_catalogue import DATASETS
from domain.candidates import Candidate
from index.documents import field_texts, points
from index.embedders.caching import CachingEmbedder, QueryEmbedder
from index.embedders.minilm import MiniLMEmbedder
from index.engines.edge import EdgeEngine
from index.evaluation.dataset import LabelledQuery, LabelledTool, load_dataset
from index.evaluation.file_cache import FileVectorCache
from index.evaluation.metrics import Gains, gains
from index.ports import IndexDocument, Matrix, SearchRequest
from index.profiles import PROFILES, Profile, fields_of
from index.ranking.adapter import QueryAdapter
from index.ranking.learnt import Learnt, LearntMix
from index.ranking.recall import Recall
from index.retriever import Retriever
from index.sparse import Bm25Encoder
from index.tool_index import manifest_for

SETS = ("toole", "seal-tools", "toolbench", "mcp-catalogue", "api-bank", "tau2-retail-airline")
SINGLE, MULTI = "toole/single", "toole/multi"
_TENANT = "evaluation"
_BATCH = 256
_SEED = 1
_NO_MIX = LearntMix((), *[np.zeros(0)] * 4)
"""Recall asks the adapter alone."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One query of `group` (its set; of toole, its subset too) and what the legs of a profile found."""

    group: str
    query: LabelledQuery
    recall: Recall

    @property
    def dataset(self) -> str:
        return self.group.split("/")[0]

    def gains(self, candidates: Sequence[Candidate]) -> Gains:
        if self.query.is_server_level:
            return gains([candidate.server for candidate in candidates], self.query.gold)
        return gains([candidate.tool_id for candidate in candidates], self.query.gold, self.query.alternatives)


class _Remembering:
    """An embedder that forgets nothing."""

    def __init__(self, vectors: Path) -> None:
        self._inner = MiniLMEmbedder()
        self._cached = CachingEmbedder(self._inner, FileVectorCache(vectors))
        self.version, self.dimension = self._inner.version, self._inner.dimension

    async def embed(self, texts: Sequence[str]) -> Matrix:
        return (await self._cached.embed(texts))[0]

    async def close(self) -> None:
        await self._inner.close()


Adapters = Callable[[str], QueryAdapter]
"""Which adapter moves a query: one that was trained without it."""


def judged(
    dataset: str,
    split: str,
    vectors: Path,
    adapters: Adapters,
    *,
    singles: int | None = None,
    profile: Profile = PROFILES["hybrid"],
) -> list[Judged]:
    """The queries of a set's split. `singles`: so many of toole's single-tool queries, drawn with a fixed seed.
    `profile`: whose legs are asked.
    """
    data = load_dataset(DATASETS / dataset, split=split)
    queries = [(_group(dataset, query), query) for query in data.queries]
    if singles is not None:
        drawn = [one for one in queries if one[0] == SINGLE]
        random.Random(_SEED).shuffle(drawn)
        queries = drawn[:singles] + [one for one in queries if one[0] != SINGLE]
    return asyncio.run(_search(data.tools, queries, vectors, adapters, profile))


def _group(dataset: str, query: LabelledQuery) -> str:
    return f"{dataset}/{query.subset}" if dataset == "toole" else dataset


async def _search(
    tools: Sequence[LabelledTool],
    queries: Sequence[tuple[str, LabelledQuery]],
    vectors: Path,
    adapters: Adapters,
    profile: Profile,
) -> list[Judged]:
    fields = fields_of(profile)
    embedder = _Remembering(vectors)
    found: list[Judged] = []
    with tempfile.TemporaryDirectory(prefix="toolcrib-judged-") as folder:
        engine = await EdgeEngine.open(Path(folder), manifest_for(embedder, fields))
        encoder = Bm25Encoder()
        names = frozenset(spec.name for spec in fields)
        retriever = Retriever(QueryEmbedder(embedder), encoder, engine, fields=names)
        try:
            documents = [_document(tool) for tool in tools]
            texts = [text for document in documents for text in field_texts(document, fields)]
            await engine.upsert(points(documents, await embedder.embed(texts), encoder, fields))
            for adapter, batch in _batches(queries, adapters):
                retriever.learnt = Learnt(embedder.version, adapter, _NO_MIX, _NO_MIX)
                asked = SearchRequest(_TENANT, tuple(query.text for _, query in batch), profile=profile.name)
                _, recalls = await retriever.recall(asked)
                found += [Judged(*which, recall) for which, recall in zip(batch, recalls, strict=True)]
                print(f"\r{len(found)} of {len(queries)} queries", end="", file=sys.stderr, flush=True)
        finally:
            await engine.close()
            await embedder.close()
    print(file=sys.stderr)
    return found


def _batches(
    queries: Sequence[tuple[str, LabelledQuery]], adapters: Adapters
) -> Iterator[tuple[QueryAdapter, Sequence[tuple[str, LabelledQuery]]]]:
    by_adapter: dict[int, list[tuple[str, LabelledQuery]]] = {}
    for which in queries:
        by_adapter.setdefault(id(adapters(which[1].text)), []).append(which)
    for of_adapter in by_adapter.values():
        for start in range(0, len(of_adapter), _BATCH):
            yield adapters(of_adapter[0][1].text), of_adapter[start : start + _BATCH]


def _document(tool: LabelledTool) -> IndexDocument:
    return IndexDocument(_TENANT, tool.tool_id, tool.server, tool.document.text, tool.document.semantic_hash, 1)
