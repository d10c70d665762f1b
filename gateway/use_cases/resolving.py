"""From the name in a call to the tool that is meant: still there, and still what the caller saw."""

from __future__ import annotations

import difflib

from domain.errors import ToolChanged, ToolNotFound, ToolRemoved
from domain.memory import ToolMemory
from domain.review import is_semantic
from domain.tools import ToolState
from gateway.use_cases.catalogue import CatalogueReader, ServedTool

_SUGGESTIONS = 3
_MOST_RENAMES = 8


class Resolver:
    """Reads only."""

    def __init__(self, catalogue: CatalogueReader) -> None:
        self._catalogue = catalogue

    async def __call__(
        self, tenant: str, name: str, seen: str | None = None, memory: ToolMemory | None = None
    ) -> ServedTool:
        """The active tool of that id or alias. `seen`: the contract hash, or the beginning of it, that the caller
        knows; without one, what the session's memory holds of it.

        Raises ToolNotFound; ToolRemoved, which names the likely successor; ToolChanged when a caller that knows the
        tool as it was would be misled.
        """
        tool = (await self._catalogue.get_many(tenant, [name])).get(name)
        if tool is None:
            raise ToolNotFound(await self._unknown(tenant, name))
        if tool.entry.state is ToolState.REMOVED:
            raise await self._removed(tool, name)
        known = seen or (memory.contract_of(tool.entry.tool_id) if memory is not None else "")
        if known and not tool.entry.document.contract_hash.startswith(known) and await self._misleads(tool, known):
            raise ToolChanged(f"Tool {name[:128]!r} changed since it was found; search again to see its present form.")
        return tool

    async def _misleads(self, tool: ServedTool, known: str) -> bool:
        """Whether what changed means anything to a caller. A version that history does not have any more does."""
        entry = tool.entry
        before = await self._catalogue.version(entry.tenant, entry.tool_id, known)
        return before is None or is_semantic(before, entry.document.raw)

    async def _removed(self, tool: ServedTool, name: str) -> ToolRemoved:
        entry = tool.entry
        said = f"Tool {name[:128]!r} was removed by its server {entry.server!r}"
        successor = await self._successor(tool)
        if successor is not None:
            return ToolRemoved(
                f"{said}; its likely successor is {successor!r}: search for it to see its schema.", successor=successor
            )
        return ToolRemoved(f"{said}; search again for a successor.")

    async def _successor(self, tool: ServedTool) -> str | None:
        """Along the renames, to the first that is served; what waits for a review is told to nobody."""
        entry = tool.entry
        for _ in range(_MOST_RENAMES):
            if entry.successor is None:
                return None
            following = (await self._catalogue.get_many(entry.tenant, [entry.successor])).get(entry.successor)
            if following is None:
                return None
            entry = following.entry
            if entry.state is ToolState.ACTIVE:
                return entry.overlay.alias or entry.tool_id
        return None

    async def _unknown(self, tenant: str, name: str) -> str:
        """The sentence for an unknown name, with the nearest known ones of the server it seems to mean."""
        server = name.partition("__")[0]
        near = difflib.get_close_matches(name, await self._catalogue.names(tenant, server), n=_SUGGESTIONS)
        hint = f"did you mean {', '.join(near)}?" if near else "search again and use a name from the answer."
        return f"No tool is called {name[:128]!r}; {hint}"
