"""What other gateways on one database changed becomes visible here: by their notices, and by a look after a gap."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from domain.errors import ServerNotFound, ToolcribError
from gateway.freshness import Freshness
from gateway.use_cases.catalogue import CatalogueReader
from servers.ports import Pool
from store.notices import Notice, NoticeKind
from store.store import Store

LOOK_EVERY_S = 30.0
"""When servers were last verified is no notice: they would be as many as the polls. It is read this often."""

AGAIN_S = 1.0
"""After a look that failed."""

_log = logging.getLogger(__name__)


class Wakes(Protocol):
    """What has to look again, each at its own pace."""

    def index(self) -> None: ...

    def request(self) -> None: ...

    def answer(self, request_id: str) -> None: ...

    def lease(self) -> None: ...

    def policy(self) -> None: ...


class Replicas:
    """`run` is the task. Notices are folded while one is worked on: a storm of them costs one look."""

    def __init__(
        self,
        store: Store,
        catalogue: CatalogueReader,
        freshness: Freshness,
        pool: Pool,
        wakes: Wakes,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._freshness = freshness
        self._pool = pool
        self._heard: dict[Notice, None] = {}
        self._came = asyncio.Event()
        self._at_once: dict[NoticeKind, Callable[[Notice], None]] = {
            NoticeKind.REQUEST: lambda _notice: wakes.request(),
            NoticeKind.ANSWER: lambda notice: wakes.answer(notice.subject),
            NoticeKind.LEASE: lambda _notice: wakes.lease(),
            NoticeKind.POLICY: lambda _notice: wakes.policy(),
        }
        self._wakes = wakes

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store.notices.run(self._hear))
            group.create_task(self._follow())

    def _hear(self, notice: Notice) -> None:
        if (at_once := self._at_once.get(notice.kind)) is not None:
            at_once(notice)
            return
        self._heard[notice] = None
        self._came.set()

    async def _follow(self) -> None:
        wait_s = LOOK_EVERY_S
        while True:
            try:
                async with asyncio.timeout(wait_s):
                    await self._came.wait()
            except TimeoutError:
                pass
            self._came.clear()
            heard, self._heard = self._heard, {}
            try:
                await self._look(list(heard))
                wait_s = LOOK_EVERY_S
            except Exception as error:  # noqa: BLE001  outermost loop: this gateway would go stale in silence
                known = isinstance(error, ToolcribError)
                level = logging.WARNING if wait_s == LOOK_EVERY_S else logging.DEBUG  # once an outage
                _log.log(level, "What other gateways changed is not read yet: %s", error, exc_info=not known)
                self._heard = heard | self._heard
                wait_s = AGAIN_S

    async def _look(self, heard: list[Notice]) -> None:
        """The store is read first: while it is away, what is remembered here is all there is, and is not forgotten."""
        if not heard:
            await self._read_verified()
            return
        head = await self._store.changes.head()
        servers = [(notice.tenant, notice.subject) for notice in heard if notice.kind is NoticeKind.SERVER]
        gone = [server for server in servers if not await self._is_used(*server)]
        if any(notice.kind is NoticeKind.MISSED for notice in heard):
            self._catalogue.forget_all()
            self._wakes.policy()
        for notice in heard:
            if notice.kind in {NoticeKind.SERVER, NoticeKind.CATALOGUE}:
                self._catalogue.forget(notice.tenant, notice.subject)
        for tenant, slug in gone:
            await self._pool.drop(tenant, slug)
        self._wakes.index()
        await self._freshness.catalogue_changed(head)

    async def _is_used(self, tenant: str, slug: str) -> bool:
        """Whether another gateway has left it here, and switched on."""
        try:
            return (await self._store.servers.get(tenant, slug)).enabled
        except ServerNotFound:
            return False

    async def _read_verified(self) -> None:
        for tenant in {server.tenant for server in await self._store.servers.everywhere()}:
            for server, at in (await self._store.runs.last_success(tenant)).items():
                self._freshness.verified(tenant, server, at)
