"""How a registered server is reached, changed: at once, or, where its policy holds changes, after a review.

The launch is pinned like the tools are: whoever can make a configuration file say something else must not get it run
(CVE-2025-54136).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from domain.errors import Forbidden
from domain.events import Event, EventKind
from domain.identity import Principal
from domain.review import HeldLaunch, launch_hash
from domain.servers import Launch, ReviewPolicy, UpstreamServer
from gateway.event_log.journal import Journal
from gateway.use_cases.catalogue import CatalogueReader
from servers.egress import leads_inside
from servers.ports import Pool
from store.store import Store


class Launches:
    """Changing one takes the admin role."""

    def __init__(
        self,
        store: Store,
        pool: Pool,
        catalogue: CatalogueReader,
        journal: Journal,
        on_changed: Callable[[str, str], None],
    ) -> None:
        """`on_changed`: told tenant and slug of a server that is reached otherwise from now on; it should be synced."""
        self._store = store
        self._pool = pool
        self._catalogue = catalogue
        self._journal = journal
        self._on_changed = on_changed

    async def propose(self, principal: Principal, server: UpstreamServer, launch: Launch) -> HeldLaunch | None:
        """Reach `server` by `launch`; returns what waits for a review, None when it is used from now on.

        Proposing the launch that is used takes an earlier proposal back. Raises Forbidden, SecretsUnavailable.
        """
        if not principal.is_admin:
            raise Forbidden("Changing servers takes the admin role; ask an admin of this Toolcrib.")
        if launch_hash(launch) == launch_hash(server.launch):
            await self._store.held_launches.drop(server.tenant, server.slug)
            return None
        if server.review is ReviewPolicy.ACCEPT:
            await self.use(server.tenant, server.slug, launch)
            self._log(principal, server.slug, "launch")
            return None
        held = HeldLaunch(server.tenant, server.slug, launch, time.time(), principal.subject)
        await self._store.held_launches.put(held)
        self._log(principal, server.slug, "propose launch")
        return held

    async def use(self, tenant: str, slug: str, launch: Launch) -> None:
        """From now on, whatever waits. Raises ServerNotFound."""
        server = await self._store.servers.get(tenant, slug)
        inside = launch.url is not None and await leads_inside(launch.url)
        await self._store.servers.update(replace(server, launch=launch, allow_private=inside))
        self._catalogue.forget(tenant, slug)
        await self._pool.drop(tenant, slug)
        self._on_changed(tenant, slug)

    def _log(self, principal: Principal, slug: str, decision: str) -> None:
        body = {"decision": decision, "server": slug}
        self._journal.record(Event(principal.tenant, principal.subject, EventKind.REVIEW, at=time.time(), body=body))
