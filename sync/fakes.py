"""Fakes of the ports, for tests: a source whose listings are set by hand, an index that is a dictionary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.errors import ToolcribError
from domain.questions import digest
from domain.servers import UpstreamServer
from domain.tools import ToolDocument
from index.ports import IndexDocument, UpsertReport


@dataclass(frozen=True, slots=True)
class FakeListing:
    """A complete listing."""

    documents: tuple[ToolDocument, ...] = ()
    warnings: tuple[str, ...] = ()
    ttl_ms: int | None = None
    digest: str = ""


class FakeSource:
    """Lists what `offers` holds for a server's slug, or raises the error that stands there."""

    def __init__(self) -> None:
        self.offers: dict[str, FakeListing | Exception] = {}
        self.listed: list[str] = []

    async def list_tools(self, server: UpstreamServer) -> FakeListing:
        self.listed.append(server.slug)
        offer = self.offers.get(server.slug, FakeListing())
        if isinstance(offer, Exception):
            raise offer
        return offer


@dataclass
class FakeIndex:
    """Keeps documents by point id; `failing` is raised by every write while it is set."""

    points: dict[str, IndexDocument] = field(default_factory=dict)
    position: int = 0
    embedded: int = 0
    writes: int = 0
    failing: ToolcribError | None = None

    def point_id(self, tenant: str, tool_id: str) -> str:
        return f"{tenant}/{tool_id}"

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport:
        self._write()
        for document in documents:
            self.points[self.point_id(document.tenant, document.tool_id)] = document
        self.embedded += len(documents)
        by_server = Counter((document.tenant, document.server) for document in documents)
        return UpsertReport(documents=len(documents), embedded=len(documents), by_server=by_server)

    async def delete(self, tenant: str, tool_ids: Sequence[str]) -> None:
        await self.discard([self.point_id(tenant, tool_id) for tool_id in tool_ids])

    async def discard(self, point_ids: Sequence[str]) -> None:
        self._write()
        for point in point_ids:
            self.points.pop(point, None)

    async def inventory(self) -> dict[str, str]:
        return {point: document.semantic_hash for point, document in self.points.items()}

    async def question_digests(self) -> dict[str, str]:
        asked = {point: digest(q.text for q in document.questions) for point, document in self.points.items()}
        return {point: of_tool for point, of_tool in asked.items() if of_tool}

    async def cursor(self) -> int:
        return self.position

    async def advance(self, seq: int) -> None:
        self._write()
        self.position = seq

    def _write(self) -> None:
        if self.failing is not None:
            raise self.failing
        self.writes += 1
