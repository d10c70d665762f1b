"""What tenants' logs say of their tools, kept up in memory: offered to searches, told in `GET /stats`.

Read from the log behind a number per tenant, so that a restart and another replica come to the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.errors import ToolcribError
from domain.experience import Experience, Offer, ToolRecord
from domain.outcome_prior import OutcomeCounts, Outcomes
from domain.restart import Attempt
from gateway.recorded_steps import RecordedSteps
from index.questions.redaction import learnable
from store.store import Store

EVERY_S = 5.0
BATCH = 500
LOOKS_BACK = 50_000
"""Events of a tenant that are read after a start."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Followed:
    experience: Experience = field(default_factory=lambda: Experience(learnable))
    outcomes: Outcomes = field(default_factory=Outcomes)
    steps: RecordedSteps = field(default_factory=RecordedSteps)
    after: int | None = None  # the last event taken in; None before the first look
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Experiences:
    """Of all tenants. `is_offered` is the operator's switch: without it searches hear nothing, `GET /stats` does."""

    def __init__(self, store: Store, *, is_offered: bool = True) -> None:
        self._store = store
        self._is_offered = is_offered
        self._followed: dict[str, _Followed] = {}
        self.ranked = OutcomeCounts()

    def offers(self, tenant: str, query: str) -> list[Offer]:
        """From what was read so far: a search does not wait for the log."""
        known = self._followed.get(tenant)
        return known.experience.offers(query) if known is not None and self._is_offered else []

    def known_records(self, tenant: str) -> Mapping[str, ToolRecord]:
        """By tool, as far as was read: a search does not wait for the log."""
        known = self._followed.get(tenant)
        return known.experience.records if known is not None else {}

    def steps(self) -> Mapping[str, RecordedSteps]:
        """By tenant, what was read so far of how sessions went on."""
        return {tenant: followed.steps for tenant, followed in self._followed.items()}

    def outcomes(self, tenant: str) -> Outcomes | None:
        """As far as was read; None of a tenant whose log nobody looked at yet."""
        known = self._followed.get(tenant)
        return None if known is None else known.outcomes

    def attempts(self, tenant: str, tool_id: str) -> Sequence[Attempt]:
        """What was read so far of how long a tool's attempts took: a call does not wait for the log."""
        known = self._followed.get(tenant)
        record = None if known is None else known.experience.records.get(tool_id)
        return () if record is None else tuple(record.attempts)

    async def records(self, tenant: str) -> Mapping[str, ToolRecord]:
        """By tool, up to now. Raises StoreUnavailable."""
        await self.catch_up(tenant)
        return self._followed[tenant].experience.records

    async def catch_up(self, tenant: str) -> None:
        """Read what was logged since. Raises StoreUnavailable."""
        followed = self._followed.setdefault(tenant, _Followed())
        async with followed.lock:
            if followed.after is None:
                followed.after = max(0, await self._store.events.last(tenant) - LOOKS_BACK)
            while events := await self._store.events.read(tenant, after=followed.after, limit=BATCH):
                for logged in events:
                    followed.experience.take(logged.event)
                    followed.steps.take(logged.event)
                    followed.outcomes.take(logged.event)
                followed.after = events[-1].seq

    async def run(self) -> None:
        """Catch up with every tenant's log now and every EVERY_S, until cancelled."""
        while True:
            try:
                for tenant in {server.tenant for server in await self._store.servers.everywhere()}:
                    await self.catch_up(tenant)
            except ToolcribError as error:
                logger.warning("What tools were used for is not learnt for now: %s", error.message)
            await asyncio.sleep(EVERY_S)
