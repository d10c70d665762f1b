"""What sync needs of the rooms below it. Real: `index/tool_index.py`, `servers/pool.py`; fakes: `sync/fakes.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from domain.servers import UpstreamServer
from domain.tools import ToolDocument
from index.ports import IndexDocument, UpsertReport


class Listing(Protocol):
    """One complete listing of a server's tools; `warnings` are sentences about entries that were left out."""

    @property
    def documents(self) -> Sequence[ToolDocument]: ...

    @property
    def warnings(self) -> Sequence[str]: ...

    @property
    def ttl_ms(self) -> int | None:
        """For how long the server wants it to be trusted; None where it does not say."""
        ...

    @property
    def digest(self) -> str:
        """Equal for two listings of a server that hold the same documents; empty where that is not known."""
        ...


class CatalogueSource(Protocol):
    """Lists a server's tools, all or nothing: what is not named is gone. Raises UpstreamError, Overloaded."""

    async def list_tools(self, server: UpstreamServer) -> Listing: ...


class ToolIndexPort(Protocol):
    """A copy of the catalogue that answers searches. Everything is idempotent.

    Raises IndexUnavailable, StorageFull, and EmbedderUnavailable, after which what was written is found by words.
    """

    async def upsert(self, documents: Sequence[IndexDocument]) -> UpsertReport: ...

    async def delete(self, tenant: str, tool_ids: Sequence[str]) -> None: ...

    def point_id(self, tenant: str, tool_id: str) -> str:
        """The id under which `inventory` names a tool."""
        ...

    async def inventory(self) -> Mapping[str, str]:
        """Point id -> semantic hash of everything stored."""
        ...

    async def question_digests(self) -> Mapping[str, str] | None:
        """Point id -> domain.questions.digest of the questions it was written with; None for one that keeps none."""
        ...

    async def discard(self, point_ids: Sequence[str]) -> None:
        """Delete points that no tool of the catalogue stands behind."""
        ...

    async def cursor(self) -> int:
        """The last change applied; 0 for an empty or fresh index."""
        ...

    async def advance(self, seq: int) -> None:
        """Make everything written so far durable, then remember `seq`."""
        ...
