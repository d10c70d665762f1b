"""Keeps the event log within each tenant's rules: what is written, how much of it, for how long.

The operator's settings are the defaults; what a tenant has set stands in the store, and is read again every minute,
since another gateway may have been told. Every hour what is too old or too much is deleted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from domain.errors import ToolcribError
from domain.log_rules import LogRules
from store.store import Store

_EVERY_S = 60.0
_TIDY_EVERY = 60  # rounds

_log = logging.getLogger(__name__)


class LogKeeper:
    """`rules` is asked on every request, so it answers from memory."""

    def __init__(self, store: Store, defaults: LogRules) -> None:
        self._store = store
        self._defaults = defaults
        self._own: dict[str, LogRules] = {}

    def rules(self, tenant: str) -> LogRules:
        return self._own.get(tenant, self._defaults)

    def draws(self, tenant: str) -> bool:
        """Whether searches draw their first place, so that policies can be judged by them."""
        return self.rules(tenant).first_place > 0

    async def load(self) -> None:
        """Read what tenants have set. Raises StoreUnavailable."""
        stored = await self._store.log_rules.all()
        self._own = {tenant: self._defaults.with_changes(own) for tenant, own in stored.items()}

    async def change(self, tenant: str, changes: Mapping[str, Any]) -> LogRules:
        """Set some rules of a tenant; None goes back to the operator's default. Raises InvalidInput, StoreUnavailable.

        What they let go is deleted with the next round; what they no longer keep is kept of nothing from now on.
        """
        own = {**(await self._store.log_rules.all()).get(tenant, {}), **changes}
        own = {name: value for name, value in own.items() if value is not None}
        rules = self._defaults.with_changes(own)
        await self._store.log_rules.put(tenant, own)
        self._own[tenant] = rules
        return rules

    async def tidy(self) -> int:
        """Delete what is too old or too much, of every tenant; returns how many events there were."""
        now = time.time()
        return sum(
            [
                await self._store.events.forget(tenant, self.rules(tenant), now)
                for tenant in await self._store.events.tenants()
            ]
        )

    async def run(self) -> None:
        """Read and tidy, now and again, until cancelled. Failures are logged and tried again."""
        turn = 0
        while True:
            try:
                await self.load()
                if turn % _TIDY_EVERY == 0 and (gone := await self.tidy()):
                    _log.info("%d events have left the log by its rules.", gone)
            except ToolcribError as error:
                _log.warning("The log was not tidied: %s", error.message)
            turn += 1
            await asyncio.sleep(_EVERY_S)
