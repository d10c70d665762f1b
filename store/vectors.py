"""Vectors by content: embedded once, ever. Fits the port `VectorCache` of the index without knowing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.failpoints import failpoint
from store.database import Database, chunks
from store.tables import VECTORS

_STORED = np.dtype("<f4")


class VectorRepository:
    """float32 little-endian bytes by key. A key stands for one text under one model, so a vector never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_many(self, keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """The known vectors, shape (dimension,), read-only; unknown keys are absent."""
        found: dict[str, npt.NDArray[np.float32]] = {}
        for chunk in chunks(list(dict.fromkeys(keys))):
            query = select(VECTORS.c.key, VECTORS.c.vector).where(VECTORS.c.key.in_(chunk))
            for row in await self._database.rows(query):
                found[row.key] = np.frombuffer(row.vector, dtype=_STORED).astype(np.float32, copy=False)
        return found

    async def put_many(self, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Keep vectors; keys that exist already are left as they are. One short transaction per chunk."""
        rows = [
            {"key": key, "vector": np.ascontiguousarray(vector, dtype=_STORED).tobytes()}
            for key, vector in sorted(vectors.items())  # one order for all writers, so that none waits in a circle
        ]
        statement = self._database.insert(VECTORS).on_conflict_do_nothing(index_elements=[VECTORS.c.key])
        for chunk in chunks(rows):
            await self._database.transaction(partial(_execute, statement, chunk))
            failpoint("store.vectors_written")


async def _execute(statement: Any, rows: Sequence[dict[str, Any]], connection: AsyncConnection) -> None:
    await connection.execute(statement, list(rows))
