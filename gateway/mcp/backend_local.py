"""The MCP surface's backend in the gateway's own process."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from domain.errors import InvalidInput
from domain.identity import Principal
from domain.sessions import MemoryMode
from gateway.mcp.meta_tools import Behind
from gateway.mcp.passthrough import listed_beside
from gateway.plan_body import PlanBody
from gateway.presenters.answers import call_json, page_json, search_json
from gateway.presenters.plans import plan_json
from gateway.presenters.sessions import change_json
from gateway.use_cases.call import Invocation
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib

logger = logging.getLogger(__name__)


class LocalBackend:
    """Implements `gateway.mcp.backend.Backend` on the use cases."""

    def __init__(self, crib: Toolcrib, principal: Principal) -> None:
        self._crib = crib
        self._principal = principal
        self._behind: Behind | None = None
        self._catalogue: tuple[Mapping[str, Any], ...] | None = None
        self._epoch = 0  # counts changes: what was counted before one must not be kept after it
        crib.freshness.on_catalogue_change(self._forget)

    async def behind(self) -> Behind:
        """As the catalogue stands; counted anew only when it has changed, since clients list often."""
        if self._behind is not None:
            return self._behind
        epoch = self._epoch
        behind = await self._count()
        if epoch == self._epoch:
            self._behind = behind
        return behind

    async def catalogue(self) -> Sequence[Mapping[str, Any]]:
        """Read anew only when the catalogue has changed."""
        if self._catalogue is not None:
            return self._catalogue
        epoch = self._epoch
        listed = await listed_beside(self._crib, self._principal)
        if epoch == self._epoch:
            self._catalogue = listed
        return listed

    async def _forget(self) -> None:
        self._epoch += 1
        self._behind = self._catalogue = None

    async def _count(self) -> Behind:
        counts = await self._crib.store.catalogue.counts(self._principal.tenant)
        active = {slug: count.active for slug, count in counts.items() if count.active}
        return Behind(tuple(sorted(active)), sum(active.values()))

    async def search(self, queries: Sequence[str], session: str | None) -> Mapping[str, Any]:
        ask = Ask(tuple(queries), session_id=session, mint=True)
        return search_json(await self._crib.search(self._principal, ask))

    async def call(
        self, name: str, arguments: Mapping[str, Any], session: str | None, client: str | None = None
    ) -> Mapping[str, Any]:
        asked = Invocation(name, arguments, session, client=client, inline=False)
        return call_json(await self._crib.call(self._principal, asked))

    @property
    def has_plans(self) -> bool:
        return self._crib.settings.plan_tool

    async def plan(self, body: PlanBody) -> Mapping[str, Any]:
        return plan_json(await self._crib.plans(self._principal, body.plan, body.options))

    async def read_result(self, handle: str, page: int, session: str | None) -> Mapping[str, Any]:
        return page_json(await self._crib.results.read(self._principal, handle, page, session))

    async def remove(self, names: Sequence[str], session: str) -> Mapping[str, Any]:
        return change_json(await self._crib.sessions.remove(self._principal, session, names))

    async def held(self, session: str) -> list[Mapping[str, Any]]:
        """The definitions of what a session holds, in its order. Raises SessionNotFound."""
        holding = await self._crib.turns.held(self._principal, session)
        return [tool.definition for tool in holding.tools]

    async def opened(self) -> str | None:
        """A session that holds the whole catalogue, where the operator's mode is passthrough and it is small enough."""
        if self._crib.settings.memory_mode is not MemoryMode.PASSTHROUGH:
            return None
        try:
            return (await self._crib.sessions.open(self._principal)).id
        except InvalidInput as error:
            logger.warning("Nothing is listed beside the meta-tools: %s", error.message)
            return None
