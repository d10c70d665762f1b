"""Which policy decides for whom: the operator's for every tenant, and in its place what a tenant has promoted.

A search takes the tenant's standing once, when it begins, and keeps it to its end; what is replaced is closed when the
last search that holds it has ended. So a promotion or a rollback is one assignment, and no search fails by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from domain.canonical import sha256_hex
from domain.policy_moves import PolicyMode
from policy_client.router import Router


@dataclass(frozen=True, slots=True)
class Regime:
    """The mode, and for canary the share of the sessions in which the policy counts."""

    mode: PolicyMode
    share: float = 0.0

    def counts_for(self, tenant: str, session_id: str | None) -> bool:
        """Always the same for one session; where there is none, never, since it could not be told what followed."""
        if self.mode is PolicyMode.LIVE:
            return True
        if self.mode is not PolicyMode.CANARY or session_id is None:
            return False
        return int(sha256_hex(f"{tenant}\n{session_id}")[:8], 16) / 2**32 < self.share


@dataclass(slots=True, eq=False)
class Standing:
    """A policy in force. `version`: of a promoted one. `control`: a live policy that decides wherever this one does not
    count, since a canary must not take away what was live before; None for retrieval.
    """

    router: Router
    regime: Regime
    version: str = ""
    control: Standing | None = None
    _uses: int = 0
    _unused: asyncio.Event = field(default_factory=asyncio.Event)

    def deciding(self, tenant: str, session_id: str | None) -> Standing | None:
        """Whose order counts in this session; None for retrieval's."""
        if self.router.backends and self.regime.counts_for(tenant, session_id):
            return self
        return self.control

    @property
    def looks_on(self) -> bool:
        """Whether there is a policy for the shadow where it does not count."""
        return bool(self.router.backends)

    @contextmanager
    def used(self) -> Iterator[Standing]:
        """Not closed before the block has ended."""
        self._uses += 1
        try:
            yield self
        finally:
            self._uses -= 1
            if not self._uses:
                self._unused.set()

    async def retire(self) -> None:
        """Close it once nobody uses it. Whoever calls has seen to it that nobody new does."""
        while self._uses:
            self._unused.clear()
            await self._unused.wait()
        await self.router.aclose()


class Standings:
    """Of one gateway."""

    def __init__(self, everywhere: Standing) -> None:
        """`everywhere`: what the operator's settings say."""
        self.everywhere = everywhere
        self._own: dict[str, Standing] = {}

    def of(self, tenant: str) -> Standing:
        return self._own.get(tenant, self.everywhere)

    def put(self, tenant: str, standing: Standing | None) -> Standing | None:
        """From now on; None for the operator's. Returns what it replaced, which its caller retires."""
        before = self._own.pop(tenant, None)
        if standing is not None:
            self._own[tenant] = standing
        return before

    async def aclose(self) -> None:
        """Close what tenants promoted; the operator's belongs to whoever opened it."""
        for tenant in list(self._own):
            if (standing := self.put(tenant, None)) is not None:
                await standing.router.aclose()
                if standing.control is not None and standing.control is not self.everywhere:
                    await standing.control.router.aclose()
