"""The composition root: opens every part in order, wires it, and closes it in reverse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.catalogue import SyncRun
from domain.errors import InvalidInput, ToolcribError, Unavailable
from gateway.freshness import Freshness
from gateway.journal import Journal
from gateway.sealing_keys import sealing_keys
from gateway.settings import Settings
from gateway.use_cases.call import Call
from gateway.use_cases.catalogue import CatalogueReader
from gateway.use_cases.credentials import Credentials
from gateway.use_cases.naming import Naming
from gateway.use_cases.search import Search, SearchDefaults
from gateway.use_cases.servers import Servers
from gateway.use_cases.sessions import SessionDefaults, Sessions
from index.embedders.minilm import MiniLMEmbedder
from index.ports import Embedder
from index.tool_index import ToolIndex, open_index
from servers.limits import Limits
from servers.oauth.authorizer import Authorizer
from servers.pool import ServerPool
from store.store import Store
from sync.engine import SyncEngine
from sync.indexer import Indexer
from sync.schedule import Pace, SyncSchedule

logger = logging.getLogger(__name__)

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Toolcrib:
    """Everything an edge needs. Made by `open_toolcrib`, which also closes it."""

    settings: Settings
    store: Store
    index: ToolIndex
    pool: ServerPool
    indexer: Indexer
    engine: SyncEngine
    schedule: SyncSchedule
    journal: Journal
    freshness: Freshness
    catalogue: CatalogueReader
    sessions: Sessions
    search: Search
    call: Call
    servers: Servers
    naming: Naming
    authorizer: Authorizer
    credentials: Credentials


@asynccontextmanager
async def open_toolcrib(settings: Settings, *, follow: bool = True) -> AsyncIterator[Toolcrib]:
    """Open the data folder's contents. The caller owns the folder (gateway.data_folder.claim).

    `follow` keeps the catalogue in step by push and poll; short commands leave it off. Raises the Unavailable family.
    """
    async with AsyncExitStack() as stack:
        store = await Store.open(settings.store_url, sealing_keys(settings))
        stack.push_async_callback(store.close)
        index = await open_index(
            make_embedder(settings.embedder),
            cache=store.vectors,
            path=settings.data / "index",
            url=settings.qdrant_url,
            api_key=settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
        )
        stack.push_async_callback(index.close)
        crib = _wire(settings, store, index)
        stack.push_async_callback(crib.authorizer.aclose)
        stack.push_async_callback(crib.pool.aclose)
        await _warm(crib)
        crib.journal.start()
        stack.push_async_callback(crib.journal.close)
        stack.push_async_callback(crib.engine.close)
        background: list[Coroutine[Any, Any, None]] = [crib.indexer.run()]
        if follow:
            background += [crib.schedule.run(), index.warm_up(), _expire_sessions(store)]
        for work in background:
            stack.push_async_callback(_end, asyncio.create_task(work))
        yield crib


def make_embedder(name: str) -> Embedder:
    """`minilm`, or `st:FOLDER_OR_MODEL`. Raises InvalidInput for another name."""
    if name == "minilm":
        return MiniLMEmbedder()
    kind, _, model = name.partition(":")
    if kind == "st" and model:
        from index.embedders.sentence_transformers import SentenceTransformersEmbedder  # noqa: PLC0415 - extra [st]

        return SentenceTransformersEmbedder(model)
    raise InvalidInput(f"No embedder is called {name!r}; use minilm, or st:FOLDER_OR_MODEL with the extra [st].")


def _wire(settings: Settings, store: Store, index: ToolIndex) -> Toolcrib:
    freshness = Freshness(index.version)
    journal = Journal(store.events, freshness.versions)
    catalogue = CatalogueReader(store)
    indexer = Indexer(store, index)
    authorizer = Authorizer(store.credentials, client_metadata_url=settings.client_metadata_url)
    pool = ServerPool(
        Limits(access=authorizer),
        on_list_changed=lambda tenant, slug: schedule.changed(tenant, slug),  # noqa: PLW0108 - made below
    )
    sessions = Sessions(
        store, catalogue, journal, SessionDefaults(settings.memory_mode, settings.memory_limit, settings.session_ttl_s)
    )

    async def on_run(run: SyncRun) -> None:
        if run.error is None:
            freshness.verified(run.tenant, run.server, run.finished_at)
        if run.added or run.changed or run.removed:
            catalogue.forget(run.tenant, run.server)
            await freshness.catalogue_changed(await store.changes.head())

    engine = SyncEngine(store, pool, indexer, on_run=on_run)
    schedule = SyncSchedule(engine, store.servers.everywhere, Pace(poll_s=settings.poll_s))
    return Toolcrib(
        settings=settings,
        store=store,
        index=index,
        pool=pool,
        indexer=indexer,
        engine=engine,
        schedule=schedule,
        journal=journal,
        freshness=freshness,
        catalogue=catalogue,
        sessions=sessions,
        search=Search(index, catalogue, sessions, journal, freshness, SearchDefaults(settings.profile, settings.k)),
        call=Call(store, pool, catalogue, sessions, journal, settings.call_timeout_s),
        servers=Servers(store, pool, authorizer, indexer, catalogue, freshness),
        naming=Naming(store, catalogue, indexer, freshness),
        authorizer=authorizer,
        credentials=Credentials(store, authorizer, pool, schedule.changed),
    )


async def _expire_sessions(store: Store) -> None:
    """Delete expired sessions now and every hour; nobody can see them meanwhile."""
    while True:
        try:
            await store.sessions.expire(time.time())
        except ToolcribError as error:
            logger.warning("Expired sessions were not deleted: %s", error.message)
        await asyncio.sleep(_HOUR_S)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _warm(crib: Toolcrib) -> None:
    """Remember how fresh each server is, and wait for an index that is behind: a search must not miss what is stored.

    An index that is level is compared with the store by the indexer, behind the first requests.
    """
    head = await crib.store.changes.head()
    crib.freshness.catalogue_at(head)
    try:
        if await crib.index.cursor() != head:
            await crib.indexer.drain()
    except Unavailable as error:
        logger.warning("The index is behind the store and is tried again: %s", error.message)
    for tenant in {server.tenant for server in await crib.store.servers.everywhere()}:
        for server, at in (await crib.store.runs.last_success(tenant)).items():
            crib.freshness.verified(tenant, server, at)
