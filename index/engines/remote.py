"""A Qdrant server or cluster through qdrant-client: the extra `toolcrib[qdrant]`, imported only when a URL is given.

Refuses to know: embedding, fusion, the store. Several gateways may share one; only the holder of the index lease
writes. Its fake is `index.engines.memory`. Each manifest has a collection of its own, so another model never meets
vectors that it did not make.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Self

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from domain.canonical import canonical_json, sha256_hex
from domain.errors import IndexUnavailable
from index.engines import remote_requests as requests
from index.engines.payload import rows_of, score_tables
from index.ports import EngineManifest, Filter, Hit, Leg, Matrix, Point, Terms

MEMORY = ":memory:"
"""In place of a URL: the client's own emulation, for the contract tests."""

BATCH = 256
TIMEOUT_S = 10
_SCROLL = 1000

_CURSOR = "00000000-0000-0000-0000-000000000000"
"""A point without vectors and without a tenant, so that no search sees it; its payload is the cursor."""

_REASON_CHARS = 120


class RemoteEngine:
    """Made by `open`. Every method raises IndexUnavailable when the server does not answer or refuses."""

    def __init__(self, client: AsyncQdrantClient, manifest: EngineManifest, *, indexed: bool) -> None:
        """`indexed`: the emulation has no payload indexes and warns when asked for one."""
        self._client = client
        self._collection = collection_name(manifest)
        self._manifest = manifest
        self._indexed = indexed
        self._is_there = False

    @classmethod
    async def open(
        cls, url: str, manifest: EngineManifest, *, api_key: str | None = None, may_be_away: bool = False
    ) -> Self:
        """Connect, and make the collection where it does not exist yet; with the first use of a server that is away,
        where it may be.
        """
        if url == MEMORY:
            client = AsyncQdrantClient(location=MEMORY)
        else:
            # No version question at start: a server that is down is reported by the first request, in our words.
            client = AsyncQdrantClient(url=url, api_key=api_key, timeout=TIMEOUT_S, check_compatibility=False)
        engine = cls(client, manifest, indexed=url != MEMORY)
        try:
            await engine._create()
        except IndexUnavailable:
            if not may_be_away:
                await client.close()
                raise
        return engine

    async def upsert(self, points: Sequence[Point]) -> None:
        await self._create()
        for start in range(0, len(points), BATCH):
            batch = [requests.point(point) for point in points[start : start + BATCH]]
            with _client_errors("storing tools"):
                await self._client.upsert(self._collection, batch, wait=True)

    async def delete(self, point_ids: Sequence[str]) -> None:
        if point_ids:
            await self._create()
            with _client_errors("removing tools"):
                await self._client.delete(self._collection, list(point_ids), wait=True)

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        if not legs:
            return []
        batch = [requests.query(leg, where) for leg in legs]
        await self._create()
        with _client_errors("searching"):
            answers = await self._client.query_batch_points(self._collection, batch)
            return [requests.hits(leg, answer.points) for leg, answer in zip(legs, answers, strict=True)]

    async def rescore(
        self, point_ids: Sequence[str], vectors: Mapping[str, Matrix], terms: Terms | None = None
    ) -> dict[str, Matrix]:
        asked = [requests.rescoring(point_ids, row, field) for field, rows in vectors.items() for row in rows]
        asked += [] if terms is None else requests.rescoring_terms(point_ids, terms)
        answers: Sequence[models.QueryResponse] = ()
        if asked and point_ids:
            await self._create()
            with _client_errors("scoring tools"):
                answers = await self._client.query_batch_points(self._collection, asked)
        scored = (([str(one.id) for one in of.points], [one.score for one in of.points]) for of in answers)
        return score_tables(point_ids, rows_of(vectors, terms), scored)

    async def inventory(self) -> dict[str, str]:
        known: dict[str, str] = {}
        offset = None
        await self._create()
        while True:
            with _client_errors("listing its tools"):
                records, offset = await self._client.scroll(
                    self._collection, limit=_SCROLL, offset=offset, with_payload=["hash"]
                )
            known.update({str(record.id): str(record.payload["hash"]) for record in records if record.payload})
            if offset is None:
                known.pop(_CURSOR, None)
                return known

    async def cursor(self) -> int:
        await self._create()
        with _client_errors("reading its cursor"):
            records = await self._client.retrieve(self._collection, [_CURSOR], with_payload=True)
        return int((records[0].payload or {})["cursor"]) if records else 0

    async def advance(self, cursor: int) -> None:
        """Every write waited for the server's write-ahead log, so only the cursor is left to store."""
        point = models.PointStruct(id=_CURSOR, vector={}, payload={"cursor": cursor, "hash": ""})
        await self._create()
        with _client_errors("moving its cursor"):
            await self._client.upsert(self._collection, [point], wait=True)

    async def clear(self) -> None:
        await self._create()
        with _client_errors("emptying it"):
            await self._client.delete(self._collection, models.FilterSelector(filter=models.Filter()), wait=True)

    async def close(self) -> None:
        await self._client.close()

    async def _create(self) -> None:
        """Once: make the collection where it does not exist, and look whether one that does is what we would make."""
        if self._is_there:
            return
        with _client_errors("making its collection"):
            if await self._client.collection_exists(self._collection):
                found = (await self._client.get_collection(self._collection)).config.params.vectors
                require_sizes(found, self._manifest)
            else:
                await self._client.create_collection(
                    self._collection,
                    requests.dense_config(self._manifest),
                    sparse_vectors_config=requests.sparse_config(),
                )
                for field, schema in requests.INDEXES.items() if self._indexed else ():
                    await self._client.create_payload_index(self._collection, field, schema, wait=True)
        self._is_there = True


def require_sizes(found: object, manifest: EngineManifest) -> None:
    """Raises ValueError for a collection whose vectors are not of the manifest's dimensions."""
    held = {name: vector.size for name, vector in found.items()} if isinstance(found, dict) else {}
    if held != dict(manifest.fields):
        raise ValueError(f"its vectors are {held or 'unnamed'}, not {dict(manifest.fields)}: delete the collection")


def collection_name(manifest: EngineManifest) -> str:
    """`toolcrib_` and 12 hex of the hash of manifest and layout."""
    return f"toolcrib_{sha256_hex(canonical_json({**asdict(manifest), 'layout': requests.LAYOUT}))[:12]}"


@contextmanager
def _client_errors(doing: str) -> Iterator[None]:
    """Whatever the client raises for a server that is away, slow, or of another mind."""
    try:
        yield
    except (ApiException, QdrantException, OSError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:_REASON_CHARS] or "no reason given"
        raise IndexUnavailable(
            f"The Qdrant server failed while {doing} ({reason}); check TOOLCRIB_QDRANT_URL, its key and its version."
        ) from error
