"""A gateway with real tools whose policy is somewhere, and what its searches say of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from benchmarks.real_catalogue import fill, queries
from tests.e2e.running import serving

TOOLS = 300


@dataclass(frozen=True, slots=True)
class Answered:
    """One search. `policy_ms`: what the policy's stage took; None where it has no part in the answer."""

    found: int
    policy_ms: float | None
    decided_by: str
    degraded: tuple[str, ...]


class Asking:
    """Searches that are new each, since identical ones are remembered."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client
        self._texts = (f"{text} ({round_})" for round_ in range(1000) for text in queries())

    async def search(self) -> Answered:
        """Raises HTTPStatusError when it is refused."""
        body = {"queries": [next(self._texts)], "explain": True}
        answer = await self._client.post("/api/v1/search", json=body)
        answer.raise_for_status()
        [result] = answer.json()["results"]
        return Answered(
            len(result["candidates"]),
            result["timings_ms"].get("policy"),
            result.get("decided_by", ""),
            tuple(result.get("degraded", ())),
        )

    async def backend(self, name: str) -> dict[str, Any]:
        """How it fares, as `GET /policy` says."""
        answer = await self._client.get("/api/v1/policy")
        answer.raise_for_status()
        [found] = [one for one in answer.json()["backends"] if one["name"] == name]
        return dict(found)


@asynccontextmanager
async def gateway(**settings: str) -> AsyncIterator[Asking]:
    """`toolcrib serve` with TOOLS real tools, the policy live."""
    with TemporaryDirectory(prefix="toolcrib-policy-") as folder:
        data = Path(folder)
        await fill(data, TOOLS)
        with serving(data, port=0, policy_mode="live", **settings) as running:
            async with httpx2.AsyncClient(base_url=running.url, timeout=60, trust_env=False) as client:
                asking = Asking(client)
                await asking.search()  # loads the embedding model
                yield asking
