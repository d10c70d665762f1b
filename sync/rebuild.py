"""Builds the index of another embedding model beside the one that serves, and lets it serve when it holds everything.

Refuses to know: models, engines, folders (index/live.py). Safe to kill anywhere: what was built stays and is gone on
with, and until the swap the old index answers every search.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from domain.errors import ToolcribError
from store.store import Store
from sync.indexer import FIRST_RETRY_S, LAST_RETRY_S, Indexer
from sync.ports import ToolIndexPort

_log = logging.getLogger(__name__)


class Succession(Protocol):
    """An index that may have one to follow it. Real: `index.live.LiveIndex`."""

    @property
    def is_current(self) -> bool:
        """Whether nothing is to follow."""
        ...

    async def successor(self) -> ToolIndexPort:
        """The index to fill. Raises the Unavailable family, EmbedderUnavailable while its model cannot be had."""
        ...

    async def swap(self) -> None:
        """Let the successor serve. Raises only while nothing has changed."""
        ...


class Rebuild:
    """Ends when what serves is what was asked for. A model that is away is asked again, ever more slowly."""

    def __init__(
        self,
        store: Store,
        indexer: Indexer,
        live: Succession,
        *,
        on_swap: Callable[[], Awaitable[None]] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`indexer` fills the index that serves; `on_swap` is awaited after another one does."""
        self._store = store
        self._indexer = indexer
        self._live = live
        self._on_swap = on_swap
        self._sleep = sleep

    async def run(self) -> None:
        """Until it is done, or cancelled."""
        delay = FIRST_RETRY_S
        while not self._live.is_current:
            try:
                await self._once()
            except ToolcribError as error:
                _log.warning("The new index is not built yet: %s Next try in %.0f s.", error.message, delay)
                await self._sleep(delay)
                delay = min(2 * delay, LAST_RETRY_S)

    async def _once(self) -> None:
        successor = await self._live.successor()
        # The long part: the index that serves is written to all the while, and this one catches up at the end.
        await Indexer(self._store, successor).drain()
        await self._indexer.move_to(successor, self._live.swap)
        if self._on_swap is not None:
            await self._on_swap()
