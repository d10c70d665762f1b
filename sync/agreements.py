"""Which listing the catalogue of each server is known to agree with: the same listing again changes nothing.

Most syncs find what the last one found. Reading and comparing a server's tools costs more than listing them, so that
is left out where it can only come to nothing. Held in memory: after a start everything is compared once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.catalogue import CatalogueDiff
from domain.servers import UpstreamServer
from sync.ports import Listing


@dataclass(frozen=True, slots=True)
class _Agreed:
    server: UpstreamServer
    digest: str
    tools: int


class Agreements:
    """A catalogue moves only with its server's generation, so an agreement is for one generation. Whatever else is
    different about the server (its launch, title, policy, anything that is held) ends it too.
    """

    def __init__(self) -> None:
        self._agreed: dict[tuple[str, str], _Agreed] = {}

    def unchanged(self, server: UpstreamServer, listing: Listing) -> CatalogueDiff | None:
        """That nothing is different; None where that is not known."""
        known = self._agreed.get((server.tenant, server.slug))
        if known is None or not listing.digest or known.digest != listing.digest or known.server != server:
            return None
        return CatalogueDiff(unchanged=known.tools)

    def note(self, server: UpstreamServer, generation: int, listing: Listing, changes: CatalogueDiff) -> None:
        """The catalogue has what this listing says since `generation`, which `changes` brought or left as it was."""
        if not listing.digest or server.held or changes.waiting:
            self.forget(server.tenant, server.slug)
            return
        tools = changes.unchanged + len(changes.added) + len(changes.changed)
        self._agreed[server.tenant, server.slug] = _Agreed(
            server if server.generation == generation else replace(server, generation=generation),
            listing.digest,
            tools,
        )

    def forget(self, tenant: str, slug: str) -> None:
        self._agreed.pop((tenant, slug), None)
