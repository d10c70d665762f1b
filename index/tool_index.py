"""The facade of the index: what sync writes, what the gateway asks. One per process; `open_index` makes it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from domain.candidates import Ranking
from domain.errors import EmbedderUnavailable, IndexUnavailable
from domain.failpoints import failpoint
from domain.text import TEXT_VERSION
from index.calibration import CalibratedSearch, Calibration, calibration_for
from index.documents import field_texts, point_id, points, wordy_point
from index.embedders.caching import CachingEmbedder, Counters, QueryEmbedder
from index.engines.edge import EdgeEngine
from index.fields import DENSE_FIELDS, FieldSpec
from index.options import PLAIN, IndexOptions
from index.ports import (
    Embedder,
    Engine,
    EngineManifest,
    IndexDocument,
    SearchRequest,
    UpsertReport,
    VectorCache,
)
from index.questions.bank import QuestionBank, bank_manifest
from index.questions.stage import UsageStage
from index.ranking.learnt import Learnt, learnt_for
from index.retriever import Retriever
from index.routing import MARK, RoutedSearch, ServerText, server_point, servers_of
from index.searcher import Searcher
from index.selftest import check_after, check_before
from index.sparse import SPARSE_VERSION, Bm25Encoder

QUESTIONS = "questions"
"""The folder of the question bank, inside the index's own."""

BATCH = 128
"""Documents embedded and stored at a time: searchable within seconds, little lost when the process dies."""


class ToolIndex:
    """Documents in, rankings out. Owns the embedder and the engine, and closes both.

    The store is the truth and this is a copy of it: every write may be repeated, `cursor` says how far it has come.
    """

    def __init__(
        self,
        embedder: Embedder,
        cache: VectorCache,
        engine: Engine,
        questions: Engine | None = None,
        *,
        beside: ToolIndex | None = None,
        options: IndexOptions = PLAIN,
    ) -> None:
        """`questions`: an engine made with `bank_manifest`, for what tools were asked for; None does without.
        `beside`: an index of the same embedder, which owns it; a query that both are asked is embedded once.
        `options`: of the fields that `engine` was made for (`manifest_for`).
        """
        self._embedder = embedder
        self._engine = engine
        self._encoder = Bm25Encoder()
        self._documents = CachingEmbedder(embedder, cache)
        self._is_alone = beside is None
        self.queries: QueryEmbedder = (
            beside.queries if beside else QueryEmbedder(embedder, deadline_s=options.patience_s)
        )
        self._fields = tuple(options.fields)
        self._retriever = Retriever(
            self.queries,
            self._encoder,
            engine,
            learnt=learnt_for(embedder.version),
            fields=frozenset(spec.name for spec in self._fields),
        )
        self._bank = QuestionBank(questions, self._documents, self._encoder) if questions else None
        self._routed = RoutedSearch(self._retriever, engine, self.queries)
        self._searcher: Searcher = self._routed
        if self._bank is not None:
            self._searcher = UsageStage(self._searcher, self._bank, self.queries)
        self._found = self._searcher
        self.judge_with(calibration_for(embedder.version))
        self._version = version_of(manifest_for(embedder, self._fields))

    def rank_with(self, learnt: Learnt | None) -> None:
        """Rank by other learnt weights than the shipped ones; None: by the fixed weights of each profile."""
        self._retriever.learnt = learnt

    def judge_with(self, calibration: Calibration | None) -> None:
        """Judge what fits by another calibration than the shipped one; None: nothing is judged."""
        self._searcher = CalibratedSearch(self._found, self._encoder, calibration)

    @property
    def embedder_version(self) -> str:
        """Of the embedder whose vectors it holds."""
        return self._embedder.version

    @property
    def version(self) -> str:
        """Everything a ranking depends on besides the catalogue: models, fields, text rules."""
        return self._version

    @property
    def counters(self) -> Counters:
        """Document texts embedded, and found in the cache, since the start."""
        return self._documents.counters

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport:
        """Embed what is new and store all. Raises StorageFull, IndexUnavailable; IndexSelfTestFailed, after which
        nothing of its batch counts as written; and EmbedderUnavailable, after which all are found by words and names
        until they are written again. What earlier batches stored stays; repeating the whole is harmless.
        """
        spent, by_server = Counters(), Counter[tuple[str, str]]()
        for start in range(0, len(documents), BATCH):
            batch = documents[start : start + BATCH]
            texts = [text for document in batch for text in field_texts(document, self._fields)]
            try:
                vectors, cost = await self._documents.embed(texts)
            except EmbedderUnavailable:
                await self._store_words(documents[start:])
                raise
            failpoint("index.embedded")
            made = points(batch, vectors, self._encoder, self._fields)
            check_before(made)
            await self._engine.upsert(made)
            await check_after(self._engine, made)
            failpoint("index.batch_stored")
            spent = spent.plus(cost)
            by_server.update(_first_of(batch, cost.fresh, self._fields))
            if self._bank is not None:
                for owner, of_server in groupby(batch, key=_owner):
                    asked = await self._bank.replace(list(of_server))
                    spent = spent.plus(asked)
                    by_server[owner] += asked.embedded
        return UpsertReport(len(documents), spent.embedded, spent.cached, +by_server)

    async def _store_words(self, documents: Sequence[IndexDocument]) -> None:
        dimension = self._embedder.dimension
        for start in range(0, len(documents), BATCH):
            batch = documents[start : start + BATCH]
            await self._engine.upsert(
                [wordy_point(document, dimension, self._encoder, self._fields) for document in batch]
            )

    async def delete(self, tenant: str, tool_ids: Sequence[str]) -> None:
        """Unknown ids are no error."""
        await self.discard([point_id(tenant, tool_id) for tool_id in tool_ids])

    def point_id(self, tenant: str, tool_id: str) -> str:
        """The id under which `inventory` lists a tool."""
        return point_id(tenant, tool_id)

    async def discard(self, point_ids: Sequence[str]) -> None:
        """Drop points by id, with their questions: what `inventory` lists and no catalogue knows."""
        await self._engine.delete(point_ids)
        if self._bank is not None:
            await self._bank.discard(point_ids)

    async def put_servers(self, servers: Sequence[ServerText]) -> None:
        """Write the documents of servers, by which their tools are lifted. Raises as `upsert` does; then nothing of the
        batch is stored.
        """
        for start in range(0, len(servers), BATCH):
            batch = [server.document for server in servers[start : start + BATCH]]
            texts = [text for one in batch for text in field_texts(one, self._fields)]
            vectors, _ = await self._documents.embed(texts)
            made = points(batch, vectors, self._encoder, self._fields)
            await self._engine.upsert([server_point(one) for one in made])
        if servers:
            await self._engine.advance(await self._engine.cursor())
        self._routed.look_again()

    async def drop_servers(self, servers: Iterable[tuple[str, str]]) -> None:
        """By tenant and slug. Unknown ones are no error."""
        await self._engine.delete([self.server_point(*server) for server in servers])

    def server_point(self, tenant: str, server: str) -> str:
        """The id under which `server_digests` lists a server."""
        return point_id(servers_of(tenant), server)

    async def server_digests(self) -> dict[str, str]:
        """Point id -> hash of every server's document."""
        return {point: digest for point, digest in (await self._engine.inventory()).items() if digest.startswith(MARK)}

    async def warm_up(self) -> None:
        """Load the embedding model, so that the first search does not wait for it. A model that fails stays silent
        here: the search that needs it will say so.
        """
        with contextlib.suppress(EmbedderUnavailable):
            await self._embedder.embed(["find a tool"])

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """One ranking per query. Raises InvalidInput, IndexUnavailable; see `index.retriever`."""
        return await self._searcher.search(request)

    async def inventory(self) -> dict[str, str]:
        """Point id -> semantic hash of every tool stored, all tenants."""
        held = await self._engine.inventory()
        return {point: digest for point, digest in held.items() if not digest.startswith(MARK)}

    async def question_digests(self) -> dict[str, str] | None:
        """Point id -> digest of its tool's questions, of those that have any; None for an index without a bank."""
        return None if self._bank is None else await self._bank.digests()

    async def cursor(self) -> int:
        """The last change-log number applied; 0 for a fresh or rebuilt index, or a rebuilt part of it."""
        cursor = await self._engine.cursor()
        return cursor if self._bank is None else min(cursor, await self._bank.cursor())

    async def advance(self, seq: int) -> None:
        """Make everything written durable, then remember `seq` as the cursor."""
        await self._engine.advance(seq)
        failpoint("index.tools_advanced")
        if self._bank is not None:
            await self._bank.advance(seq)

    async def clear(self) -> None:
        """Drop every document and the cursor. Vectors stay in the cache."""
        await self._engine.clear()
        if self._bank is not None:
            await self._bank.clear()

    async def close(self) -> None:
        if self._is_alone:
            await self.queries.close()
        await self._engine.close()
        if self._bank is not None:
            await self._bank.close()
        if self._is_alone:
            await self._embedder.close()


def _owner(document: IndexDocument) -> tuple[str, str]:
    return document.tenant, document.server


def _first_of(
    batch: Sequence[IndexDocument], fresh: frozenset[str], fields: Sequence[FieldSpec]
) -> Iterator[tuple[str, str]]:
    """The server that a fresh text came from, once for each."""
    counted: set[str] = set()
    for document in batch if fresh else ():
        for text in field_texts(document, fields):
            if text in fresh and text not in counted:
                counted.add(text)
                yield _owner(document)


def manifest_for(embedder: Embedder, fields: Sequence[FieldSpec] = DENSE_FIELDS) -> EngineManifest:
    """What an index made with this embedder and this code holds."""
    return EngineManifest(
        embedder=embedder.version,
        fields=tuple((spec.name, embedder.dimension) for spec in fields),
        text_version=TEXT_VERSION,
        sparse_version=SPARSE_VERSION,
    )


def version_of(manifest: EngineManifest) -> str:
    """One line for logs and events."""
    fields = "+".join(name for name, _ in manifest.fields)
    return f"{manifest.embedder}|{fields}|text{manifest.text_version}|{manifest.sparse_version}"


async def open_index(
    embedder: Embedder,
    *,
    cache: VectorCache,
    path: Path | None = None,
    url: str | None = None,
    api_key: str | None = None,
    options: IndexOptions = PLAIN,
) -> ToolIndex:
    """The embedded engine in folder `path`, or a Qdrant server at `url`, which wins when both are given.

    Raises IndexUnavailable, DataFolderInUse, StorageFull.
    """
    manifests = (manifest_for(embedder, options.fields), bank_manifest(embedder))
    if url is not None:
        try:
            from index.engines.remote import RemoteEngine  # noqa: PLC0415 - the extra [qdrant]
        except ImportError as error:
            raise IndexUnavailable(
                "A Qdrant server needs the package qdrant-client; run `pip install 'toolcrib[qdrant]'`."
            ) from error
        tools, questions = [await RemoteEngine.open(url, manifest, api_key=api_key) for manifest in manifests]
        return ToolIndex(embedder, cache, tools, questions, options=options)
    if path is None:
        raise IndexUnavailable("The index needs a folder or the URL of a Qdrant server.")
    folders = (path, path / QUESTIONS)
    shards = [await EdgeEngine.open(folder, manifest) for folder, manifest in zip(folders, manifests, strict=True)]
    return ToolIndex(embedder, cache, *shards, options=options)
