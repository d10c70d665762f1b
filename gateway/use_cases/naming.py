"""Naming: an operator's aliases and descriptions for tools. The upstream's own words stay stored, and come back."""

from __future__ import annotations

from dataclasses import dataclass

from domain.errors import Forbidden, ToolNotFound
from domain.identity import Principal
from domain.overlays import Overlay
from domain.tools import CatalogueTool
from gateway.freshness import Freshness
from gateway.use_cases.catalogue import CatalogueReader
from store.store import Store
from sync.indexer import Indexer


@dataclass(frozen=True, slots=True)
class Keep:
    """Leave this part of the overlay as it is (None would take it away)."""


KEEP = Keep()


class Naming:
    """Changing what agents see takes the admin role."""

    def __init__(self, store: Store, catalogue: CatalogueReader, indexer: Indexer, freshness: Freshness) -> None:
        self._store = store
        self._catalogue = catalogue
        self._indexer = indexer
        self._freshness = freshness

    async def change(
        self, principal: Principal, name: str, *, alias: str | Keep | None = KEEP, description: str | Keep | None = KEEP
    ) -> CatalogueTool:
        """Set (a text) or take away (None) parts of a tool's overlay; the tool is found by id or alias.

        Raises Forbidden, ToolNotFound, InvalidInput for words that could not be served, NameTaken.
        """
        if not principal.is_admin:
            raise Forbidden("Changing what agents see takes the admin role; ask an admin of this Toolcrib.")
        present = await self.show(principal, name)
        overlay = Overlay(
            alias=present.overlay.alias if isinstance(alias, Keep) else alias,
            description=present.overlay.description if isinstance(description, Keep) else description,
        )
        if overlay == present.overlay:
            return present
        await self._store.overlays.put(principal.tenant, present.tool_id, overlay)
        self._catalogue.forget(principal.tenant, present.server)
        await self._indexer.drain()
        await self._freshness.catalogue_changed(await self._store.changes.head())
        return await self.show(principal, present.tool_id)

    async def show(self, principal: Principal, name: str) -> CatalogueTool:
        """A tool by id or alias. Raises ToolNotFound."""
        found = (await self._catalogue.get_many(principal.tenant, [name])).get(name)
        if found is None:
            raise ToolNotFound(f"No tool is called {name[:128]!r}; `toolcrib search` finds the ones that are there.")
        return found.entry
