"""Syncs where several gateways share a store: done here by the one that leads, asked of it by the others.

A request is a row that outlives whoever leads; the next one finds it. Refuses to know: how the lead is decided.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from domain.catalogue import SyncRun
from domain.errors import ToolcribError, Unavailable
from store.leases import LeaseLost
from store.store import Store
from store.sync_requests import SyncAsked
from sync.engine import SyncEngine
from sync.leadership import Leads

LOOK_EVERY_S = 2.0
"""How long a request or an answer waits whose notice was lost."""

PATIENCE_S = 60.0

_log = logging.getLogger(__name__)


class ReplicatedSyncs:
    """`sync_server` as the engine's, wherever the lead is. `notice` tells that there is something to look at."""

    def __init__(self, engine: SyncEngine, store: Store, lead: Leads, *, patience_s: float = PATIENCE_S) -> None:
        self._engine = engine
        self._store = store
        self._lead = lead
        self._patience_s = patience_s
        self._asked = asyncio.Event()
        self._answers: dict[str, asyncio.Event] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def sync_server(self, tenant: str, slug: str, trigger: str, *, full: bool = False) -> SyncRun:
        """As SyncEngine.sync_server; and Unavailable when the gateway that leads does not answer in time."""
        if self._lead.leads:
            try:
                return await self._engine.sync_server(tenant, slug, trigger, full=full)
            except LeaseLost:
                _log.info("The sync of %r goes on at the gateway that took over.", slug)
        await self._store.servers.get(tenant, slug)
        asked = await self._store.sync_requests.ask(tenant, slug, trigger, accepts_removal=full)
        try:
            return await self._answer(asked)
        finally:
            await asyncio.shield(self._store.sync_requests.forget(asked))

    def request_came(self) -> None:
        """Another gateway asks for a sync."""
        self._asked.set()

    def answer_came(self, request_id: str) -> None:
        """Another gateway answered."""
        if (waiting := self._answers.get(request_id)) is not None:
            waiting.set()

    async def serve(self) -> None:
        """Do what others ask, until cancelled: by whoever leads."""
        try:
            while True:
                self._asked.clear()
                try:
                    self._begin(await self._store.sync_requests.open())
                except ToolcribError as error:
                    _log.warning("What other gateways ask for cannot be read: %s", error.message)
                await _waited(self._asked, LOOK_EVERY_S)
        finally:
            tasks = list(self._serving.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop every sync under way."""
        await self._engine.close()

    def _begin(self, requests: Sequence[SyncAsked]) -> None:
        for asked in requests:
            if asked.id not in self._serving:
                self._serving[asked.id] = asyncio.create_task(self._serve(asked))

    async def _serve(self, asked: SyncAsked) -> None:
        try:
            await self._do(asked)
        finally:
            del self._serving[asked.id]

    async def _do(self, asked: SyncAsked) -> None:
        try:
            run = await self._engine.sync_server(asked.tenant, asked.server, asked.trigger, full=asked.accepts_removal)
        except LeaseLost:
            return  # the row stays: whoever took over finds it
        except ToolcribError as error:
            now = time.time()
            run = SyncRun(asked.tenant, asked.server, asked.trigger, now, now, 0, error=error.message)
        try:
            await self._store.sync_requests.answer(asked, run)
        except ToolcribError as error:
            _log.warning("The gateway that asked for a sync of %r is not answered: %s", asked.server, error.message)

    async def _answer(self, asked: SyncAsked) -> SyncRun:
        came = self._answers[asked.id] = asyncio.Event()
        ends = time.monotonic() + self._patience_s
        try:
            while time.monotonic() < ends:
                came.clear()
                if (run := await self._store.sync_requests.answered(asked)) is not None:
                    return run
                await _waited(came, LOOK_EVERY_S)
        finally:
            del self._answers[asked.id]
        raise Unavailable(
            f"The gateway that syncs has not answered for {self._patience_s:.0f} s about server {asked.server!r}; "
            "look at its log, and at `toolcrib sync` later."
        )


async def _waited(event: asyncio.Event, seconds: float) -> bool:
    """Whether it came in time."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
