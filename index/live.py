"""The index that serves, and the one that is built to follow it when the embedding model is changed.

Every search is answered by one of the two, never by a mixture: the old one with the old model, until the new one holds
everything; then the new one with the new model. A model that cannot be had yet is waited for in the same way, while
what there is answers and says `degraded=("embedder",)`. Refuses to know: who fills an index (sync/rebuild.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from domain.candidates import Ranking
from domain.errors import EmbedderUnavailable, IndexUnavailable, InvalidInput, ToolcribError
from index.embedders.absent import AbsentEmbedder
from index.embedders.caching import Counters
from index.embedders.remote import RemoteEmbedder
from index.generations import Generations, Serving, plain
from index.options import IndexOptions
from index.ports import Embedder, EngineManifest, SearchRequest, VectorCache
from index.searcher import Searcher
from index.standby import QdrantServer, StandbySearch, open_pair
from index.tool_index import ToolIndex, manifest_for, open_index

logger = logging.getLogger(__name__)

BUILT_IN = "minilm"
"""The recipe that is always at hand."""

DEGRADED = "embedder"

PATIENT = IndexOptions(patience_s=5.0)


class MakeEmbedder(Protocol):
    """A recipe becomes an embedder. `dimension`: what a model had that may be away now.

    Raises EmbedderUnavailable when it cannot be had, InvalidInput for a recipe that is none.
    """

    def __call__(self, recipe: str, dimension: int | None) -> Awaitable[Embedder]: ...


class Generation:
    """One index, and whether searches are in it: it is closed when the last one has left."""

    def __init__(
        self, index: ToolIndex, recipe: str, manifest: EngineManifest, standby: ToolIndex | None = None
    ) -> None:
        """`standby`: answers while `index`, which is elsewhere, does not."""
        self.index = index
        self.standby = standby
        self._searcher: Searcher = index if standby is None else StandbySearch(index, standby)
        self.recipe = recipe
        self.manifest = manifest
        self._searches = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def search(self, request: SearchRequest) -> list[Ranking]:
        self._searches += 1
        self._idle.clear()
        try:
            return await self._searcher.search(request)
        finally:
            self._searches -= 1
            if not self._searches:
                self._idle.set()

    async def retire(self) -> None:
        """Close it when it is idle. New searches must not come any more."""
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        if self.standby is not None:
            await self.standby.close()
        await self.index.close()


class Place:
    """Where indexes lie: in folders below `root`, or in collections of a Qdrant server with a standby in a folder."""

    def __init__(
        self,
        root: Path,
        cache: VectorCache,
        *,
        server: QdrantServer | None = None,
        options: IndexOptions = PATIENT,
    ) -> None:
        """`options`: of every index here; their patience is with embedding models elsewhere alone."""
        self._generations = Generations(root)
        self._cache = cache
        self._server = server
        self._options = options

    def known(self) -> Serving | None:
        """What served last."""
        return self._generations.read()

    def can_serve(self, known: Serving) -> bool:
        """Whether this code would build it in the same way, whatever its model: then it can also search it."""
        embedder = AbsentEmbedder(known.embedder, known.dimension)
        return plain(manifest_for(embedder, self._options.fields)) == known.manifest

    def serves(self, generation: Generation) -> None:
        """Remember what serves."""
        self._generations.write(Serving.of(generation.recipe, generation.manifest))

    def tidy(self, kept: Generation) -> None:
        """Delete the folders of all others. Collections stay: other gateways may search them."""
        self._generations.drop_all_but([self._generations.folder(plain(kept.manifest))])

    async def open(self, embedder: Embedder, recipe: str) -> Generation:
        """The index of this embedder, made where there is none. It owns the embedder from now on, come what may."""
        manifest = manifest_for(embedder, self._options.fields)
        folder = self._generations.folder(plain(manifest))
        is_elsewhere = isinstance(embedder, RemoteEmbedder)
        options = self._options if is_elsewhere else replace(self._options, patience_s=None)
        standby = None
        try:
            if self._server is None:
                index = await open_index(embedder, cache=self._cache, path=folder, options=options)
            else:
                index, standby = await open_pair(embedder, self._cache, self._server, folder, options)
        except ToolcribError:
            await embedder.close()
            raise
        return Generation(index, recipe, manifest, standby)


class LiveIndex:
    """Made by `open_live`. What serves is what the recipe asks for, unless `is_current` says that it is not yet."""

    def __init__(
        self, place: Place, make: MakeEmbedder, recipe: str, serving: Generation, wanted: Embedder | None = None
    ) -> None:
        """`wanted`: the embedder of the recipe, where another one serves and it could be had already."""
        self._place = place
        self._make = make
        self._recipe = recipe
        self._serving = serving
        self._next: Generation | None = None
        self._missing: str | None = None  # why the model that is wanted cannot be had
        self._wanted = wanted
        self.is_current = False  # whether what serves was built with the model that is wanted

    @property
    def serving(self) -> ToolIndex:
        """The index that answers."""
        return self._serving.index

    @property
    def standby(self) -> ToolIndex | None:
        """The one that answers while `serving`, which is elsewhere, does not."""
        return self._serving.standby

    @property
    def version(self) -> str:
        return self.serving.version

    @property
    def counters(self) -> Counters:
        return self.serving.counters

    @property
    def state(self) -> str:
        """One sentence about which model answers, for people."""
        if self.is_current:
            return f"{self._recipe} answers"
        old = self._serving.recipe or "the former model"
        if self._missing is not None:
            return f"{old} answers, because {self._recipe} cannot be had: {self._missing}"
        return f"{old} answers until the index of {self._recipe} is built"

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """One ranking per query, all from one index. Raises InvalidInput, IndexUnavailable."""
        rankings = await self._serving.search(request)
        if self._missing is None:
            return rankings
        return [replace(one, degraded=tuple(dict.fromkeys((*one.degraded, DEGRADED)))) for one in rankings]

    async def cursor(self) -> int:
        """The last change-log number applied to what serves."""
        return await self.serving.cursor()

    async def warm_up(self) -> None:
        await self.serving.warm_up()

    async def successor(self) -> ToolIndex:
        """The index to fill, opened once. Raises EmbedderUnavailable while its model cannot be had, IndexUnavailable,
        StorageFull.
        """
        if self._next is None:
            try:
                embedder = self._wanted or await self._make(self._recipe, None)
            except EmbedderUnavailable as error:
                self.lacks(error.message)
                raise
            self._wanted = None
            self._next = await self._place.open(embedder, self._recipe)
        self._missing = None
        return self._next.index

    def lacks(self, why: str) -> None:
        """Say from now on that the model that is wanted cannot be had."""
        self._missing = why

    async def swap(self) -> None:
        """From now on the successor serves; what served is closed when its last search has left, and deleted.

        Whoever fills the two must not do so meanwhile.
        """
        assert self._next is not None
        old, new = self._serving, self._next
        await asyncio.to_thread(self._place.serves, new)
        self._serving, self._next, self.is_current = new, None, True
        logger.info("The index of %s is built and answers from now on.", self._recipe)
        try:
            await old.retire()
        except IndexUnavailable as error:
            logger.warning("The index that served before could not be closed: %s", error.message)
        await asyncio.to_thread(self._place.tidy, new)

    async def close(self) -> None:
        if self._wanted is not None:
            await self._wanted.close()
        if self._next is not None:
            await self._next.close()
        await self._serving.close()


async def open_live(place: Place, make: MakeEmbedder, recipe: str) -> LiveIndex:
    """Serves what was built, while that can still serve; else what the recipe asks for; else the built-in model.

    Raises InvalidInput, IndexUnavailable, DataFolderInUse, StorageFull.
    """
    known = await asyncio.to_thread(place.known)
    usable = known if known is not None and place.can_serve(known) else None
    try:
        wanted = await make(recipe, known.dimension if known is not None and known.recipe == recipe else None)
    except EmbedderUnavailable as error:
        logger.warning("The embedding model %s cannot be had and is tried again: %s", recipe, error.message)
        serving = await _without(usable, place, make)
        live = LiveIndex(place, make, recipe, serving)
        live.lacks(error.message)
    else:
        if usable is None or usable.embedder == wanted.version:
            serving = await place.open(wanted, recipe)
            live = LiveIndex(place, make, recipe, serving)
            live.is_current = True
        else:
            serving = await place.open(await _embedder_of(usable, make), usable.recipe)
            live = LiveIndex(place, make, recipe, serving, wanted)
    if known != Serving.of(serving.recipe, serving.manifest):
        await asyncio.to_thread(place.serves, serving)
    if live.is_current:
        await asyncio.to_thread(place.tidy, serving)
    return live


async def _without(usable: Serving | None, place: Place, make: MakeEmbedder) -> Generation:
    """What serves while the model that is wanted cannot be had."""
    if usable is not None:
        return await place.open(await _embedder_of(usable, make), usable.recipe)
    return await place.open(await make(BUILT_IN, None), BUILT_IN)


async def _embedder_of(known: Serving, make: MakeEmbedder) -> Embedder:
    """The model that an index was built with; one that stands for it when it cannot be had any more."""
    for recipe in dict.fromkeys((known.recipe, BUILT_IN)):
        with contextlib.suppress(EmbedderUnavailable, InvalidInput):
            embedder = await make(recipe, known.dimension)
            if embedder.version == known.embedder:
                return embedder
            await embedder.close()
    return AbsentEmbedder(known.embedder, known.dimension)
