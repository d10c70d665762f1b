"""The question bank: every question a point of its own in an engine of its own, and each tool's centre another.

Questions are separate points rather than a multivector of their tool, because a vote of the nearest needs them apart,
and because a tool without any then costs nothing (docs/adr/0013). Refuses to know: which engine, SQL, who asked.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from domain.questions import Question, digest
from domain.text import ToolText
from index.documents import point_id
from index.embedders.caching import CachingEmbedder, Counters, Vector
from index.ports import (
    DenseLeg,
    Embedder,
    Engine,
    EngineManifest,
    Filter,
    Hit,
    IndexDocument,
    Matrix,
    Point,
    SparseLeg,
    SparseVector,
)
from index.questions.selection import by_worth, centre, distinct
from index.sparse import SPARSE_VERSION, Bm25Encoder

FIELD: Final = "question"
EMPTY_FOR_S = 30.0
_NAMESPACE = uuid.UUID("0b0f9c5e-8d3d-5d0e-9c60-2f6f3c1d5a77")
_NO_TERMS = SparseVector((), ())


@dataclass(frozen=True, slots=True)
class Asked:
    """What the bank says of one text: earlier questions near it, in meaning and in words, and the nearest centres."""

    near: Sequence[Hit] = ()
    worded: Sequence[Hit] = ()
    centres: Sequence[Hit] = ()

    def __bool__(self) -> bool:
        return bool(self.near)


class QuestionBank:
    """Writes are idempotent. What it holds of a tool is replaced as a whole."""

    def __init__(self, engine: Engine, embedder: CachingEmbedder, encoder: Bm25Encoder) -> None:
        self._engine = engine
        self._embedder = embedder
        self._encoder = encoder
        self._held: dict[str, list[str]] | None = None  # owner -> point ids; None until first asked
        self._digests: dict[str, str] = {}
        self._empty_until = 0.0
        self._reading = asyncio.Lock()

    async def replace(self, documents: Sequence[IndexDocument]) -> Counters:
        """Make these tools' questions the bank's, and drop the ones it held of them before."""
        held, spent = await self._inventory(), Counters()
        for document in documents:
            if not document.questions and point_id(document.tenant, document.tool_id) not in held:
                continue
            points, cost = await self._points(document)
            spent = spent.plus(cost)
            await self._drop([point_id(document.tenant, document.tool_id)], keep={point.id for point in points})
            await self._engine.upsert(points)
            if points:
                held[point_id(document.tenant, document.tool_id)] = [point.id for point in points]
        return spent

    async def delete(self, tenant: str, tool_ids: Sequence[str]) -> None:
        """Drop what is held of these tools. Unknown ids are no error."""
        await self._inventory()
        await self._drop([point_id(tenant, tool_id) for tool_id in tool_ids])

    async def digests(self) -> dict[str, str]:
        """Point id of a tool -> digest of the questions that its present ones were chosen from, read afresh."""
        async with self._reading:
            self._held = None
        await self._inventory()
        return dict(self._digests)

    async def discard(self, owners: Sequence[str]) -> None:
        """Drop what is held of tools named by their point ids."""
        await self._inventory()
        await self._drop(owners)

    async def is_filled(self) -> bool:
        """Whether it holds any question; an empty bank is looked at anew after a while, since others may fill it."""
        if not self._held and time.monotonic() > self._empty_until:
            self._held = None
        return bool(await self._inventory())

    def has(self, tenant: str, tool_id: str) -> bool:
        """Whether the tool has questions here, as far as this process has read; ask `is_filled` first."""
        return point_id(tenant, tool_id) in (self._held or {})

    async def search(
        self, texts: Sequence[str], vectors: Sequence[Vector], where: Filter, limits: Sequence[int]
    ) -> list[Asked]:
        """One answer per text; `vectors` are the texts' own, `limits` how many hits of each kind."""
        terms = [self._encoder.query(text) for text in texts]
        near = [DenseLeg(FIELD, vector, limit) for vector, limit in zip(vectors, limits, strict=True)]
        worded = [SparseLeg(found, limit) for found, limit in zip(terms, limits, strict=True) if found.indices]
        answers, centres = await asyncio.gather(
            self._engine.search([*near, *worded], where),
            self._engine.search(near, replace(where, tenant=_centres_of(where.tenant))),
        )
        by_words = iter(answers[len(near) :])
        return [
            Asked(answers[at], next(by_words) if terms[at].indices else (), centres[at]) for at in range(len(texts))
        ]

    async def cursor(self) -> int:
        """The last change-log number applied; 0 for a fresh or rebuilt bank."""
        return await self._engine.cursor()

    async def advance(self, seq: int) -> None:
        """Make everything written durable, then remember `seq`."""
        await self._engine.advance(seq)

    async def clear(self) -> None:
        """Drop everything and the cursor."""
        await self._engine.clear()
        self._held = {}

    async def close(self) -> None:
        await self._engine.close()

    async def _points(self, document: IndexDocument) -> tuple[list[Point], Counters]:
        questions = by_worth(document.questions, time.time())
        if not questions:
            return [], Counters()
        vectors, spent = await self._embedder.embed([question.text for question in questions])
        kept = distinct(vectors)
        points = [self._point(document, questions[row], vectors[row]) for row in kept]
        return [*points, self._centre(document, vectors[kept])], spent

    def _point(self, document: IndexDocument, question: Question, vector: Vector) -> Point:
        owner = point_id(document.tenant, document.tool_id)
        terms = self._encoder.document(ToolText("", "", question.text, ""))
        return Point(_id(owner, question.text), _stripped(document, document.tenant, owner), {FIELD: vector}, terms)

    def _centre(self, document: IndexDocument, vectors: Matrix) -> Point:
        owner = point_id(document.tenant, document.tool_id)
        mark = f"{owner}:{digest(question.text for question in document.questions)}"
        stripped = _stripped(document, _centres_of(document.tenant), mark)
        return Point(_id(owner, "\0centre"), stripped, {FIELD: np.asarray(centre(vectors)[0])}, _NO_TERMS)

    async def _drop(self, owners: Sequence[str], keep: frozenset[str] | set[str] = frozenset()) -> None:
        held = self._held or {}
        gone = [point for owner in owners for point in held.pop(owner, ()) if point not in keep]
        for owner in owners:
            self._digests.pop(owner, None)
        await self._engine.delete(gone)

    async def _inventory(self) -> dict[str, list[str]]:
        """Owner -> its points, read once and kept up with what this process writes."""
        async with self._reading:
            if self._held is None:
                held: dict[str, list[str]] = {}
                self._digests = {}
                for point, mark in (await self._engine.inventory()).items():
                    owner, _, of_questions = mark.partition(":")
                    held.setdefault(owner, []).append(point)
                    if of_questions:
                        self._digests[owner] = of_questions
                self._held = held
                self._empty_until = time.monotonic() + EMPTY_FOR_S
            return self._held


def bank_manifest(embedder: Embedder) -> EngineManifest:
    """What a bank made with this embedder and this code holds."""
    return EngineManifest(embedder.version, ((FIELD, embedder.dimension),), "questions:1", SPARSE_VERSION)


def _id(owner: str, text: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{owner}\0{text.casefold()}"))


def _centres_of(tenant: str) -> str:
    """Centres live under a tenant of their own making, so that no search for questions meets them, nor their IDF."""
    return f"{tenant}\0centres"


def _stripped(document: IndexDocument, tenant: str, mark: str) -> IndexDocument:
    """The document without what a bank has no use for. `mark` stands in place of the content hash, so that an
    inventory says whose each point is.
    """
    return IndexDocument(tenant, document.tool_id, document.server, ToolText("", "", "", ""), mark, document.generation)
