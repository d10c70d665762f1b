"""The embedded engine: qdrant-edge in this process, on disk, one writer.

Refuses to know: embedding, fusion, the store. Its fake is `index.engines.memory`. The store is the truth: a folder that
is corrupted or was built otherwise is set aside and begun again, and the change log fills it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import qdrant_edge as edge

from domain.errors import IndexUnavailable
from domain.failpoints import failpoint
from index.engines import edge_requests as requests
from index.engines.disk import require_space
from index.engines.edge_errors import engine_errors
from index.engines.edge_folder import IndexFolder, IndexState
from index.engines.edge_stored import Stored
from index.engines.payload import rows_of, score_tables
from index.heap import trim
from index.ports import EngineManifest, Filter, Hit, Leg, Matrix, Point, Terms

logger = logging.getLogger(__name__)

BATCH = 256
"""Points per update: about 1.5 MB, 20 ms; readers wait for one of them at most."""

READERS = 4

TIDY_AFTER = 1000
"""Writes after which `advance` lets the engine vacuum deleted points (half of 20,000: 0.45 s, reads wait <= 60 ms)."""

_SCROLL = 10_000

_T = TypeVar("_T")


class EdgeEngine:
    """Made by `open`. Writes run in one thread, searches in a few others; the engine locks only what it must."""

    def __init__(self, folder: IndexFolder, shard: edge.EdgeShard, state: IndexState, stored: Stored) -> None:
        self._folder = folder
        self._shard = shard
        self._state = state
        self._stored = stored
        self._untidy = 0
        self._is_closed = False
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="index-write")
        self._readers = ThreadPoolExecutor(max_workers=READERS, thread_name_prefix="index-read")

    @classmethod
    async def open(cls, path: Path, manifest: EngineManifest) -> Self:
        """Load what is stored, or begin again when it is absent, broken or built with another manifest.

        Raises DataFolderInUse when another process has it open, StorageFull, and IndexUnavailable for a folder that
        cannot be written.
        """
        return await asyncio.to_thread(cls._open, path, manifest)

    async def upsert(self, points: Sequence[Point]) -> None:
        for start in range(0, len(points), BATCH):
            await self._write(self._upsert, points[start : start + BATCH])

    async def delete(self, point_ids: Sequence[str]) -> None:
        if point_ids:
            await self._write(self._delete, list(point_ids))

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        is_alone = self._stored.is_of(where.tenant)
        # Neighbours that differ in their vector alone share one pass: 15 ms, not 26, for 8 legs over 100,000 tools.
        # Who wants fewer hits than such a neighbour is given as many, and they are cut.
        kinds = {at: requests.kind(leg) for at, leg in enumerate(legs)}
        order = sorted(kinds, key=kinds.__getitem__)
        most: dict[str, int] = {}
        for at, leg in enumerate(legs):
            most[kinds[at]] = max(leg.limit, most.get(kinds[at], 0))
        asked = [requests.query(legs[at], where, most[kinds[at]], is_alone=is_alone) for at in order]
        cut = middle([kinds[at] for at in order])
        answers = dict(zip(order, await self._answers([asked[:cut], asked[cut:]]), strict=True))
        return [self._stored.hits(answers[at][: leg.limit]) for at, leg in enumerate(legs)]

    async def rescore(
        self, point_ids: Sequence[str], vectors: Mapping[str, Matrix], terms: Terms | None = None
    ) -> dict[str, Matrix]:
        numbers = [requests.number(point_id) for point_id in point_ids]
        these, count = requests.these(numbers), len(numbers)
        asked = [requests.rescoring(these, count, row, field) for field, rows in vectors.items() for row in rows]
        if terms is not None:
            asked += requests.rescoring_terms(these, count, terms, is_alone=self._stored.is_of(terms.tenant))
        cut = len(asked) // 2
        answers = await self._answers([asked[:cut], asked[cut:]]) if numbers else []
        scores = (([one.id for one in of_row], [one.score for one in of_row]) for of_row in answers)
        return score_tables(numbers, rows_of(vectors, terms), scores)

    async def inventory(self) -> dict[str, str]:
        return await self._run(self._readers, self._inventory)

    async def cursor(self) -> int:
        return self._state.cursor

    async def advance(self, cursor: int) -> None:
        if cursor != self._state.cursor or not self._state.clean:
            await self._write(self._advance, cursor)

    async def clear(self) -> None:
        await self._write(self._clear)

    async def close(self) -> None:
        """Wait for what is running and let go of the folder. Writes since the last `advance` are kept in its log."""
        self._is_closed = True
        await asyncio.to_thread(self._readers.shutdown)
        await asyncio.to_thread(self._writer.shutdown)
        with engine_errors("closing"):
            await asyncio.to_thread(self._shard.close)

    async def _write(self, work: Callable[..., _T], *arguments: object) -> _T:
        return await self._run(self._writer, work, *arguments)

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[..., _T], *arguments: object) -> _T:
        if self._is_closed:
            raise IndexUnavailable("The vector index is closed; the process is ending.")
        return await asyncio.get_running_loop().run_in_executor(pool, work, *arguments)

    @classmethod
    def _open(cls, path: Path, manifest: EngineManifest) -> Self:
        folder = IndexFolder(path, requests.LAYOUT)
        reason = folder.reason_to_rebuild(manifest)
        if reason is None:
            try:
                state, shard, stored = _load(folder, manifest)
            except IndexUnavailable as error:
                reason = error.message
            else:
                trim()
                return cls(folder, shard, state, stored)
        if not folder.is_new():
            logger.warning("The vector index in %s begins again from empty: %s", path, reason)
        return cls(folder, _create(folder, manifest), IndexState(), Stored())

    def _upsert(self, points: Sequence[Point]) -> None:
        require_space(self._folder.path, _size(points))
        self._touched(len(points))
        self._stored.add(points)
        with engine_errors("storing tools", self._folder.distrust):
            failpoint("engine.before_upsert")
            self._shard.update(edge.UpdateOperation.upsert_points([requests.point(point) for point in points]))
            failpoint("engine.upserted")

    def _delete(self, point_ids: list[str]) -> None:
        require_space(self._folder.path, 0)
        self._touched(len(point_ids))
        with engine_errors("removing tools", self._folder.distrust):
            failpoint("engine.before_delete")
            self._shard.update(
                edge.UpdateOperation.delete_points([requests.number(point_id) for point_id in point_ids])
            )
            failpoint("engine.deleted")

    def _touched(self, count: int) -> None:
        """Before the first write after a flush, remember that the point count may differ from now on."""
        self._untidy += count
        if self._state.clean:
            self._state = replace(self._state, clean=False)
            self._folder.write_state(self._state)

    def _advance(self, cursor: int) -> None:
        require_space(self._folder.path, 0)
        with engine_errors("flushing", self._folder.distrust):
            if self._untidy >= TIDY_AFTER:
                self._shard.optimize()
                self._untidy = 0
            self._shard.flush()
            points = self._shard.info().points_count
        failpoint("engine.flushed")
        # Only now: a cursor that is ahead of the vectors would skip changes for ever.
        self._folder.write_state(IndexState(cursor, points))
        self._state = IndexState(cursor, points)

    def _clear(self) -> None:
        require_space(self._folder.path, 0)
        # Cursor first: a crash in between leaves points that the change log writes again or the reconciliation drops.
        self._folder.write_state(IndexState(clean=False))
        self._state = IndexState(clean=False)
        with engine_errors("emptying it", self._folder.distrust):
            self._shard.update(
                edge.UpdateOperation.delete_points(
                    [requests.number(point_id) for point_id in _inventory_of(self._shard)]
                )
            )
        self._advance(0)

    async def _answers(self, parts: Sequence[Sequence[edge.QueryRequest]]) -> list[list[edge.ScoredPoint]]:
        """The parts' answers one after the other; the parts are asked side by side."""
        answers = await asyncio.gather(*(self._run(self._readers, self._query, part) for part in parts if part))
        return [answer for part in answers for answer in part]

    def _query(self, asked: Sequence[edge.QueryRequest]) -> list[list[edge.ScoredPoint]]:
        with engine_errors("searching", self._folder.distrust):
            return self._shard.query_batch(edge.QueryBatchRequest(list(asked)))

    def _inventory(self) -> dict[str, str]:
        with engine_errors("listing its tools", self._folder.distrust):
            return _inventory_of(self._shard)


def middle(kinds: Sequence[str]) -> int:
    """Where to cut what is asked into two parts of about one size, none of which shares a kind with the other.

    >>> middle(["a", "a", "b", "b", "b", "c"]), middle(["a", "a"])
    (2, 2)
    """
    edges = [at for at in range(1, len(kinds)) if kinds[at] != kinds[at - 1]]
    return min(edges, key=lambda at: abs(at - len(kinds) / 2), default=len(kinds))


def _load(folder: IndexFolder, manifest: EngineManifest) -> tuple[IndexState, edge.EdgeShard, Stored]:
    """Load and try the shard. Raises IndexUnavailable when it is broken.

    A damaged file shows as an error or a panic while loading or reading, or as points or vectors that are gone (found
    by damaging each file of a shard in turn: deleted, emptied, halved, overwritten); hence counts and trial queries.
    """
    state = folder.read_state()
    if not state.clean:
        require_space(folder.path, 0)  # loading writes what only the write-ahead log has
    with engine_errors("loading"):
        shard = edge.EdgeShard.load(str(folder.shard), requests.config(manifest))
    try:
        with engine_errors("trying what was loaded"):
            stored = Stored(_payloads(shard, requests.KEPT))
            points = len(stored)
            found = [len(shard.query(query)) for query in requests.trial(manifest, max(points, 1))]
        _require_counts(state.points if state.clean else points, [points, *found])
    except IndexUnavailable:
        with engine_errors("closing"):
            shard.close()
        raise
    return state, shard, stored


def _require_counts(expected: int, found: Sequence[int]) -> None:
    if any(count != expected for count in found):
        raise IndexUnavailable(f"It holds {min(found)} whole tools instead of {expected}.")


def _create(folder: IndexFolder, manifest: EngineManifest) -> edge.EdgeShard:
    require_space(folder.path, 0)
    folder.start_over(manifest)
    with engine_errors("beginning a new index"):
        shard = edge.EdgeShard.create(str(folder.shard), requests.config(manifest))
        for operation in requests.payload_indexes():
            shard.update(operation)
        shard.flush()
    return shard


def _inventory_of(shard: edge.EdgeShard) -> dict[str, str]:
    """Point id -> semantic hash, of everything."""
    return {str(payload[requests.ID]): str(payload["hash"]) for payload in _payloads(shard, [requests.ID, "hash"])}


def _payloads(shard: edge.EdgeShard, keys: list[str]) -> Iterator[Mapping[str, Any]]:
    """These keys of every point's payload."""
    offset = None
    while True:
        records, offset = shard.scroll(edge.ScrollRequest(offset=offset, limit=_SCROLL, with_payload=keys))
        yield from (record.payload or {} for record in records)
        if offset is None:
            return


def _size(points: Sequence[Point]) -> int:
    """Estimated bytes on disk: vectors and payload, once in the write-ahead log and once in the segment."""
    return 2 * sum(
        sum(v.nbytes for v in point.dense.values()) + 8 * len(point.sparse.indices) + 2048 for point in points
    )
