"""An engine elsewhere that a search must not wait for: a deadline, and a circuit that leaves alone what keeps failing.

Refuses to know: what answers instead (index/standby.py). Writes are not hurried: nobody waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from domain.circuit import Circuit
from domain.errors import IndexUnavailable
from index.ports import Engine, Filter, Hit, Leg, Matrix, Point, Terms

_T = TypeVar("_T")


class GuardedEngine:
    """Implements `index.ports.Engine`. Several engines at one address share a circuit."""

    def __init__(self, engine: Engine, circuit: Circuit, deadline_s: float) -> None:
        self._engine = engine
        self._circuit = circuit
        self._deadline_s = deadline_s

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        return await self._in_time(lambda: self._engine.search(legs, where)) if legs else []

    async def rescore(
        self, point_ids: Sequence[str], vectors: Mapping[str, Matrix], terms: Terms | None = None
    ) -> dict[str, Matrix]:
        return await self._in_time(lambda: self._engine.rescore(point_ids, vectors, terms))

    async def upsert(self, points: Sequence[Point]) -> None:
        await self._engine.upsert(points)

    async def delete(self, point_ids: Sequence[str]) -> None:
        await self._engine.delete(point_ids)

    async def inventory(self) -> dict[str, str]:
        return await self._engine.inventory()

    async def cursor(self) -> int:
        return await self._engine.cursor()

    async def advance(self, cursor: int) -> None:
        await self._engine.advance(cursor)

    async def clear(self) -> None:
        await self._engine.clear()

    async def close(self) -> None:
        await self._engine.close()

    async def _in_time(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        wait_s = self._circuit.admit()
        if wait_s is not None:
            raise IndexUnavailable(
                f"The Qdrant server keeps failing and is left alone for a moment: {self._circuit.last_failure}",
                retry_after_s=wait_s,
            )
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await ask()
        except TimeoutError as error:
            late = f"The Qdrant server did not answer within {self._deadline_s:g} s."
            self._circuit.failed(late)
            raise IndexUnavailable(late) from error
        except IndexUnavailable as error:
            self._circuit.failed(error.message)
            raise
        except asyncio.CancelledError:
            self._circuit.gave_no_verdict()
            raise
        self._circuit.succeeded()
        return answer
