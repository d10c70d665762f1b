"""A search that is answered all the same while the Qdrant server is away, slow, or talks nonsense.

Beside a remote index lies an embedded one, which follows the same change log: exact, with the same vectors and words.
It answers whatever the remote one fails to, flagged `degraded=("index",)`. Refuses to know: who fills the two.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from domain.candidates import Ranking
from domain.circuit import Circuit, Patience
from domain.errors import IndexUnavailable
from index.engines.edge import EdgeEngine
from index.engines.guarded import GuardedEngine
from index.options import PLAIN, IndexOptions
from index.ports import Embedder, SearchRequest, VectorCache
from index.questions.bank import bank_manifest
from index.searcher import Searcher
from index.tool_index import QUESTIONS, ToolIndex, manifest_for

DEGRADED = "index"

PATIENCE = Patience(failures=3, first_s=1.0, last_s=10.0)
"""Of what keeps failing one search in a while finds out whether it is back."""


@dataclass(frozen=True, slots=True)
class QdrantServer:
    """Where it is, and how long a search waits for it before the standby answers."""

    url: str
    api_key: str | None = None
    deadline_s: float = 0.1


class StandbySearch:
    """Implements `index.searcher.Searcher`."""

    def __init__(self, primary: Searcher, standby: Searcher) -> None:
        self._primary = primary
        self._standby = standby

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the primary's. Raises IndexUnavailable only when both fail."""
        try:
            return await self._primary.search(request)
        except IndexUnavailable:
            rankings = await self._standby.search(request)
        return [replace(one, degraded=tuple(dict.fromkeys((*one.degraded, DEGRADED)))) for one in rankings]


async def open_pair(
    embedder: Embedder,
    cache: VectorCache,
    server: QdrantServer,
    path: Path,
    options: IndexOptions = PLAIN,
) -> tuple[ToolIndex, ToolIndex]:
    """The index on the server, which owns the embedder, and its standby in the folder `path`.

    A server that is away is asked again with every use. Raises IndexUnavailable, DataFolderInUse, StorageFull.
    """
    try:
        from index.engines.remote import RemoteEngine  # noqa: PLC0415 - the extra [qdrant]
    except ImportError as error:
        raise IndexUnavailable(
            "A Qdrant server needs the package qdrant-client; run `pip install 'toolcrib[qdrant]'`."
        ) from error
    manifests = (manifest_for(embedder, options.fields), bank_manifest(embedder))
    circuit = Circuit(PATIENCE)
    far = [
        GuardedEngine(
            await RemoteEngine.open(server.url, manifest, api_key=server.api_key, may_be_away=True),
            circuit,
            server.deadline_s,
        )
        for manifest in manifests
    ]
    near = [
        await EdgeEngine.open(folder, manifest)
        for folder, manifest in zip((path, path / QUESTIONS), manifests, strict=True)
    ]
    primary = ToolIndex(embedder, cache, *far, options=options)
    return primary, ToolIndex(embedder, cache, *near, beside=primary, options=options)
