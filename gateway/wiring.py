"""The composition root: opens every part in order, wires it, and closes it in reverse."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from domain.catalogue import SyncRun
from domain.errors import ToolcribError, Unavailable
from domain.steady_clock import steady_time
from gateway.adapter import adapted
from gateway.event_log.journal import Journal
from gateway.event_log.keeper import LogKeeper
from gateway.flagged import FlaggedTools
from gateway.freshness import Freshness
from gateway.garbage import unhurried_collector
from gateway.models import Embedders, Models, open_models, tool_texts
from gateway.policy.lifecycle import Lifecycle
from gateway.policy.making import open_router
from gateway.policy.situations import Situations
from gateway.policy.stage import PolicySearch
from gateway.policy_parts import drawing, open_lifecycle, sources_of
from gateway.recorded_sessions import RecordedSessions
from gateway.replicas import Replicas
from gateway.sealing_keys import sealing_keys
from gateway.settings import Settings
from gateway.stages import attempts_of, by_experience, staged
from gateway.sync_totals import SyncTotals
from gateway.use_cases.call import Call
from gateway.use_cases.catalogue import CAPACITY, CatalogueReader
from gateway.use_cases.credentials import Credentials
from gateway.use_cases.enrich import Enrich
from gateway.use_cases.experience import Experiences
from gateway.use_cases.feedback import Feedback
from gateway.use_cases.launches import Launches
from gateway.use_cases.naming import Naming
from gateway.use_cases.plan import Plans
from gateway.use_cases.results import ResultLimits, Results
from gateway.use_cases.reviews import Reviews
from gateway.use_cases.scheduling import Places
from gateway.use_cases.search import Search, SearchDefaults
from gateway.use_cases.servers import Servers
from gateway.use_cases.session_options import SessionDefaults
from gateway.use_cases.sessions import Sessions
from gateway.use_cases.turns import Turns
from index.live import LiveIndex, Place, open_live
from index.options import IndexOptions
from index.profiles import fields_of, profile_named
from index.standby import QdrantServer
from policy_client.router import Router
from servers.large_results.spool import Spool
from servers.limits import Caps, Limits
from servers.oauth.authorizer import Authorizer
from servers.pool import ServerPool
from store.store import Store
from sync.engine import SyncEngine
from sync.indexer import Indexer
from sync.leadership import SYNC_LEASE, Alone, Leadership, Leads
from sync.rebuild import Rebuild
from sync.replicated import ReplicatedSyncs
from sync.schedule import Pace, SyncSchedule
from sync.server_documents import ServerDocuments
from sync.shared_index import SharedIndexer

logger = logging.getLogger(__name__)

_HOUR_S = 3600.0
_READ_AHEAD_EVERY_S = 5.0
_READ_AHEAD_AFTER_S = 1.0  # whoever starts a gateway waits for its first answer

_AHEAD_OF_FILE = 5_000
"""Tools read ahead from a database file. It is never away, but a search that looks into it takes 2 ms longer."""


@dataclass(frozen=True, slots=True)
class Toolcrib:
    """Everything an edge needs. Made by `open_toolcrib`, which also closes it."""

    settings: Settings
    store: Store
    index: LiveIndex
    models: Models
    pool: ServerPool
    indexer: Indexer
    engine: ReplicatedSyncs
    lead: Leads
    replicas: Replicas
    schedule: SyncSchedule
    journal: Journal
    keeper: LogKeeper
    recorded: RecordedSessions
    flagged: FlaggedTools
    freshness: Freshness
    catalogue: CatalogueReader
    sessions: Sessions
    results: Results
    experiences: Experiences
    policy: PolicySearch
    lifecycle: Lifecycle
    search: Search
    call: Call
    feedback: Feedback
    servers: Servers
    authorizer: Authorizer
    credentials: Credentials
    sync_totals: SyncTotals
    launches: Launches
    reviews: Reviews

    @property
    def turns(self) -> Turns:
        """Of agent loops that announce them."""
        return Turns(self.sessions, self.search, self.catalogue)

    @property
    def plans(self) -> Plans:
        places = Places(self.settings.plan_parallel)
        return Plans(self.call, self.catalogue, self.sessions, self.experiences.attempts, places)

    @property
    def naming(self) -> Naming:
        return Naming(self.store, self.catalogue, self.indexer, self.freshness)

    @property
    def enrich(self) -> Enrich:
        return Enrich(self.store, self.indexer, self.models.writer)


@asynccontextmanager
async def open_toolcrib(settings: Settings, *, follow: bool = True) -> AsyncIterator[Toolcrib]:
    """Open the data folder's contents. The caller owns the folder (gateway.data_folder.claim).

    `follow` keeps the catalogue in step by push and poll; short commands leave it off. Raises the Unavailable family.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(unhurried_collector())
        store = await Store.open(settings.store_url, sealing_keys(settings))
        stack.push_async_callback(store.close)
        place = Place(
            settings.data / "index",
            store.vectors,
            server=_qdrant(settings),
            options=IndexOptions(fields_of(profile_named(settings.profile)), settings.embedding_deadline_s),
        )
        models = await open_models(settings)
        stack.push_async_callback(models.aclose)
        index = await open_live(place, Embedders(settings, models.clients), settings.embedder)
        stack.push_async_callback(index.close)
        router = open_router(settings)
        stack.push_async_callback(router.aclose)
        crib = _wire(settings, store, index, models, router)
        stack.push_async_callback(crib.lifecycle.aclose)
        stack.push_async_callback(crib.policy.aclose)
        stack.callback(crib.results.close)
        stack.push_async_callback(crib.authorizer.aclose)
        stack.push_async_callback(crib.pool.aclose)
        await crib.keeper.load()
        await crib.lifecycle.load()
        await _warm(crib)
        crib.journal.start()
        stack.push_async_callback(crib.journal.close)
        stack.push_async_callback(crib.engine.close)
        background: list[Coroutine[Any, Any, None]] = [crib.indexer.run(), _rebuild(crib)]
        background += [crib.lead.run(), crib.replicas.run(), crib.lead.while_leading(crib.engine.serve)]
        if crib.indexer.standby is not None:
            background.append(crib.indexer.standby.run())
        if follow:
            background += [crib.lead.while_leading(crib.schedule.run), index.warm_up(), _expire_sessions(store)]
            background += [crib.keeper.run(), crib.recorded.run(), crib.flagged.run(), crib.experiences.run()]
            background.append(ServerDocuments(store, lambda: index.serving, is_on=settings.server_routing).run())
            background += [crib.policy.fast.run()] if crib.policy.fast is not None else []
            background += [crib.lifecycle.run(), _forget_history(store, settings.history_days)]
        if follow:
            ahead = (CAPACITY, 0.0) if store.is_shared else (_AHEAD_OF_FILE, _READ_AHEAD_AFTER_S)
            background.append(_read_ahead(crib.catalogue, *ahead))
        for work in background:
            stack.push_async_callback(_end, asyncio.create_task(work))
        yield crib


def _wire(settings: Settings, store: Store, index: LiveIndex, models: Models, router: Router) -> Toolcrib:
    ordered, adapter = adapted(index, settings.adapter)
    freshness = Freshness(lambda: models.versioned(index.version) + adapter)
    keeper = LogKeeper(store, settings.log_rules)
    situations, catalogue = Situations(), CatalogueReader(store)
    standings, lifecycle = open_lifecycle(settings, store, router, tool_texts(catalogue))
    journal = Journal(store.events, freshness.versions, keeper.rules, (situations.take, lifecycle.take))
    indexer = _indexer(store, index)
    recorded, flagged = RecordedSessions(store.events), FlaggedTools(store)
    experiences = Experiences(store, is_offered=settings.case_memory)
    offered = by_experience(settings, models.searcher(ordered, tool_texts(catalogue)), experiences, catalogue)
    sources = sources_of(settings, catalogue, situations, experiences, keeper)
    policy = PolicySearch(staged(settings, offered, recorded, flagged), standings, sources, journal.record)
    searcher = drawing(policy, keeper)
    authorizer = Authorizer(store.credentials, client_metadata_url=settings.client_metadata_url)
    spool, sync_totals = _spool(settings), SyncTotals()
    pool = ServerPool(
        Limits(caps=caps_of(settings), access=authorizer, spool=spool),
        on_list_changed=lambda tenant, slug: schedule.changed(tenant, slug),  # noqa: PLW0108 - made below
    )
    sessions = Sessions(store, catalogue, journal, _session_defaults(settings), models.deciders(router))
    results = Results(spool, sessions, _result_limits(settings))
    attempts = attempts_of(settings, pool, experiences)
    on_run = _on_run(store, catalogue, freshness, sync_totals)
    launches = Launches(store, pool, catalogue, journal, lambda tenant, slug: schedule.changed(tenant, slug))  # noqa: PLW0108
    lead: Leads = Leadership(store, SYNC_LEASE) if store.is_shared else Alone()
    engine = ReplicatedSyncs(SyncEngine(store, pool, indexer, on_run=on_run, lease=lead.lease), store, lead)
    schedule = SyncSchedule(engine, store.servers.everywhere, Pace(poll_s=settings.poll_s))
    return Toolcrib(
        settings=settings,
        store=store,
        index=index,
        models=models,
        pool=pool,
        indexer=indexer,
        engine=engine,
        lead=lead,
        replicas=Replicas(store, catalogue, freshness, pool, _Wakes(indexer, engine, lead, lifecycle)),
        schedule=schedule,
        journal=journal,
        keeper=keeper,
        recorded=recorded,
        flagged=flagged,
        freshness=freshness,
        catalogue=catalogue,
        sessions=sessions,
        results=results,
        experiences=experiences,
        policy=policy,
        lifecycle=lifecycle,
        search=Search(searcher, catalogue, sessions, journal, freshness, SearchDefaults(settings.profile, settings.k)),
        call=Call(attempts, catalogue, sessions, results, journal, settings.call_timeout_s),
        feedback=Feedback(store, sessions, journal),
        servers=Servers(store, pool, authorizer, indexer, catalogue, freshness),
        authorizer=authorizer,
        credentials=Credentials(store, authorizer, pool, schedule.changed),
        sync_totals=sync_totals,
        launches=launches,
        reviews=Reviews(store, catalogue, launches, indexer, journal, freshness),
    )


@dataclass(frozen=True, slots=True)
class _Wakes:
    """Who looks again when another gateway says something."""

    indexer: Indexer
    syncs: ReplicatedSyncs
    lead: Leads
    lifecycle: Lifecycle

    def index(self) -> None:
        self.indexer.wake()

    def request(self) -> None:
        self.syncs.request_came()

    def answer(self, request_id: str) -> None:
        self.syncs.answer_came(request_id)

    def lease(self) -> None:
        self.lead.look()

    def policy(self) -> None:
        self.lifecycle.look()


def caps_of(settings: Settings) -> Caps:
    """How much is taken from a server, as the operator wants it."""
    return Caps(settings.message_bytes, settings.list_bytes, settings.tool_bytes)


def _indexer(store: Store, index: LiveIndex) -> Indexer:
    standby = Indexer(store, index.standby) if index.standby is not None else None
    if standby is not None and store.is_shared:  # the server may be shared too; a file's gateway is alone with it
        return SharedIndexer(store, index.serving, standby=standby)
    return Indexer(store, index.serving, standby=standby)


def _qdrant(settings: Settings) -> QdrantServer | None:
    if settings.qdrant_url is None:
        return None
    key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
    return QdrantServer(settings.qdrant_url, key, settings.qdrant_deadline_s)


def _on_run(
    store: Store, catalogue: CatalogueReader, freshness: Freshness, totals: SyncTotals
) -> Callable[[SyncRun], Awaitable[None]]:
    """What every sync of this process is told to."""

    async def on_run(run: SyncRun) -> None:
        totals.add(run)
        if run.error is None:
            freshness.verified(run.tenant, run.server, run.finished_at)
        if run.added or run.changed or run.removed:
            catalogue.forget(run.tenant, run.server)
            await freshness.catalogue_changed(await store.changes.head())

    return on_run


def _session_defaults(settings: Settings) -> SessionDefaults:
    return SessionDefaults(
        settings.memory_mode,
        settings.memory_limit,
        settings.session_ttl_s,
        settings.memory_tokens,
        settings.budget,
        settings.price_list,
    )


def _result_limits(settings: Settings) -> ResultLimits:
    return ResultLimits(settings.inline_result_bytes, settings.result_page_bytes, settings.result_ttl_s)


def _spool(settings: Settings) -> Spool | None:
    """For results over the parsing cap, and for pages."""
    total = settings.results_bytes
    return Spool(settings.data / "spool", file_bytes=total // 4, total_bytes=total) if total else None


async def _read_ahead(catalogue: CatalogueReader, most: int, after_s: float) -> None:
    """In a moment, and again and again what was forgotten since because it changed."""
    await asyncio.sleep(after_s)
    while True:
        try:
            await catalogue.read_ahead(most)
        except ToolcribError as error:
            logger.warning("Tools are not read ahead: %s", error.message)
        await asyncio.sleep(_READ_AHEAD_EVERY_S)


async def _expire_sessions(store: Store) -> None:
    """Delete expired sessions now and every hour; nobody can see them meanwhile."""
    while True:
        try:
            await store.sessions.expire(steady_time())
        except ToolcribError as error:
            logger.warning("Expired sessions were not deleted: %s", error.message)
        await asyncio.sleep(_HOUR_S)


async def _forget_history(store: Store, days: float) -> None:
    """Every hour, what the settings do not keep of tools' versions, and changes that no index needs any more."""
    while True:
        await asyncio.sleep(_HOUR_S)
        try:
            await store.retention.versions(time.time() - days * 24 * _HOUR_S)
            await store.retention.changes()
        except ToolcribError as error:
            logger.warning("Old versions of tools were not deleted: %s", error.message)


async def _rebuild(crib: Toolcrib) -> None:
    """Build the index of a model that is wanted and does not serve yet; its standby is filled after the swap."""

    async def follow() -> None:
        if crib.indexer.standby is not None and crib.index.standby is not None:
            await crib.indexer.standby.move_to(crib.index.standby, _nothing)

    await Rebuild(crib.store, crib.indexer, crib.index, on_swap=follow).run()


async def _nothing() -> None:
    """The standby that is moved to answers already."""


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _warm(crib: Toolcrib) -> None:
    """Remember how fresh each server is, and wait for an index that is behind: a search must not miss what is stored.

    It follows the change log; the indexer compares it with the store as a whole behind the first requests.
    """
    head = await crib.store.changes.head()
    crib.freshness.catalogue_at(head)
    try:
        if await crib.index.cursor() != head:
            await crib.indexer.catch_up()
    except Unavailable as error:
        logger.warning("The index is behind the store and is tried again: %s", error.message)
    for tenant in {server.tenant for server in await crib.store.servers.everywhere()}:
        for server, at in (await crib.store.runs.last_success(tenant)).items():
            crib.freshness.verified(tenant, server, at)
