"""Which of several gateways does what only one may do: a lease that is taken, renewed, lost and taken again.

Refuses to know: what the work is. That two never do it at once rests on the token alone (store/leases.py), which is
checked where the work is written; here it is only made rare. Its fake is `Alone`, for a store that has one gateway.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from domain.errors import ToolcribError
from store.leases import Lease, LeaseLost
from store.store import Store

SYNC_LEASE = "sync"
"""Whoever holds it lists the servers and commits what they changed."""

TTL_S = 5.0
"""How long the others wait for a holder that says nothing: half of the 10 s in which they must have taken over."""

_log = logging.getLogger(__name__)


class Leads(Protocol):
    """Whether the work is ours. Real: `Leadership`; where there is nobody else: `Alone`."""

    @property
    def leads(self) -> bool: ...

    def lease(self) -> Lease | None:
        """What writes must show. Raises LeaseLost while somebody else has the work."""
        ...

    def look(self) -> None:
        """A lease was given back: try at once."""
        ...

    async def run(self) -> None:
        """Take the lease when it is free and keep it, until cancelled."""
        ...

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work whenever it is ours, and end it when it is not, until cancelled."""
        ...


class Alone:
    """Nobody else can have the work."""

    leads = True

    def lease(self) -> None:
        return None

    def look(self) -> None:
        """Nobody gives anything back."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        await work()
        await asyncio.Event().wait()


class Leadership:
    """One lease. `clock` is monotonic: a lease that could not be renewed ends here before it ends in the database."""

    def __init__(
        self, store: Store, name: str, *, ttl_s: float = TTL_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._leases = store.leases
        self._name = name
        self._ttl_s = ttl_s
        self._clock = clock
        self._lease: Lease | None = None
        self._ends = 0.0
        self._look = asyncio.Event()
        self._turned = asyncio.Condition()

    @property
    def leads(self) -> bool:
        return self._lease is not None and self._clock() < self._ends

    def lease(self) -> Lease:
        if self._lease is None or self._clock() >= self._ends:
            raise LeaseLost
        return self._lease

    def look(self) -> None:
        self._look.set()

    async def attempt(self) -> bool:
        """Take or renew it now; whether it is ours. Raises StoreUnavailable, StorageFull."""
        asked = self._clock()
        if self._lease is not None and not await self._leases.renew(self._lease, self._ttl_s):
            _log.warning("Another gateway has taken over %r from this one.", self._name)
            self._lease = None
        if self._lease is None:
            self._lease = await self._leases.take(self._name, self._ttl_s)
            if self._lease is not None:
                _log.info("This gateway does %r from now on (token %d).", self._name, self._lease.token)
        if self._lease is not None:
            self._ends = asked + self._ttl_s  # from before the question: the database counts from later
        await self._tell()
        return self.leads

    async def run(self) -> None:
        """Until cancelled; then the lease is given back."""
        try:
            while True:
                try:
                    await self.attempt()
                except Exception as error:  # noqa: BLE001  outermost loop: it would never lead again, in silence
                    known = isinstance(error, ToolcribError)
                    _log.warning("The lease %r is not renewed: %s", self._name, error, exc_info=not known)
                await self._pause()
        finally:
            await self._give_back()

    async def while_leading(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._until(leading=True)
            tasks = [asyncio.ensure_future(one) for one in (work(), self._until(leading=False))]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                outcome, _ = await asyncio.gather(*tasks, return_exceptions=True)
            if isinstance(outcome, Exception):  # a bug: begun anew, or it would stay undone in silence
                _log.error("What this gateway does as the holder of %r failed.", self._name, exc_info=outcome)
                await self._pause()

    async def _pause(self) -> None:
        self._look.clear()
        try:
            async with asyncio.timeout(self._ttl_s / 5):
                await self._look.wait()
        except TimeoutError:
            await self._tell()  # it may have ended meanwhile

    async def _until(self, *, leading: bool) -> None:
        async with self._turned:
            await self._turned.wait_for(lambda: self.leads is leading)

    async def _tell(self) -> None:
        async with self._turned:
            self._turned.notify_all()

    async def _give_back(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            try:
                await self._leases.release(lease)
            except ToolcribError as error:
                _log.warning("The lease %r could not be given back and runs out: %s", self._name, error.message)
