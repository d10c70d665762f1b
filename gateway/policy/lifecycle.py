"""Promotion, rollback, and the watch over what was promoted: each tenant's policy by the moves in the store.

`load` makes the moves come true in this process; a promotion or rollback writes a move and loads. Other gateways on the
same store hear of it and load, too. A policy that cannot be opened here leaves the tenant without one, which is said.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.errors import Conflict, InvalidInput, PolicyRefused, ToolcribError
from domain.events import Event
from domain.policy_moves import MoveKind, PolicyMode, PolicyMove, before, live_below
from gateway.policy.choices import Choice, Choices
from gateway.policy.gate import Bench, require_better, require_sound
from gateway.policy.kept import KeptPolicies, router_of
from gateway.policy.monitor import Monitor
from gateway.policy.stage import Texts
from gateway.policy.standing import Regime, Standing, Standings
from policy_client.deciders.embedded import EmbeddedDecider, Policy
from store.store import Store

LOOKS_BACK = 200_000
"""Events of a tenant that the gate reads, the latest."""

_PAGE = 1000
_LOOK_EVERY_S = 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A promotion as asked for: files in base64 by name, or the version of a kept policy."""

    mode: PolicyMode
    share: float = 0.1
    files: Mapping[str, str] = field(default_factory=dict)
    version: str = ""

    def __post_init__(self) -> None:
        if self.mode is PolicyMode.OFF:
            raise InvalidInput("A policy is promoted to shadow, canary or live; `toolcrib rl rollback` takes it away.")
        if not 0 < self.share < 1:
            raise InvalidInput(f"A canary has a share of the sessions between 0 and 1, not {self.share}.")
        if bool(self.files) == bool(self.version):
            raise InvalidInput("A promotion names a policy's files or a kept version, one of the two.")


@dataclass(slots=True)
class _Watched:
    """Of one tenant: what its searches came to, and the monitor of its newest move."""

    choices: Choices = field(default_factory=Choices)
    move: PolicyMove | None = None
    monitor: Monitor | None = None


class Lifecycle:
    """Of one gateway."""

    def __init__(self, store: Store, kept: KeptPolicies, standings: Standings, texts: Texts) -> None:
        self._store = store
        self._kept = kept
        self._standings = standings
        self._texts = texts
        self._watched: dict[str, _Watched] = {}
        self._failures: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def promote(self, tenant: str, subject: str, wanted: Wanted) -> PolicyMove:
        """Through the gate, and into force. Raises InvalidInput, NotFound, PolicyRefused, Conflict, Unavailable."""
        if wanted.files:
            version, policy = await self._kept.take(wanted.files)
        else:
            version, policy = wanted.version, await self._kept.open(tenant, wanted.version)
        evidence = await asyncio.to_thread(require_sound, policy)
        moves = await self._store.policies.moves(tenant)
        if wanted.mode is not PolicyMode.SHADOW:
            bench = await self._bench(tenant, version, moves)
            evidence |= await asyncio.to_thread(require_better, policy, bench)
        if wanted.files:
            await self._kept.keep(tenant, version, wanted.files)
        share = wanted.share if wanted.mode is PolicyMode.CANARY else 0.0
        move = PolicyMove(
            tenant, len(moves) + 1, time.time(), subject, MoveKind.PROMOTION, version, wanted.mode, share, evidence
        )
        await self._store.policies.add(move)
        await self.load()
        return move

    async def roll_back(
        self, tenant: str, subject: str, *, kind: MoveKind = MoveKind.ROLLBACK, reason: str = ""
    ) -> PolicyMove:
        """Bring back what was in force before this version. Raises Conflict where nothing was promoted, Unavailable."""
        moves = await self._store.policies.moves(tenant)
        if not moves or not moves[-1].version:
            raise Conflict("No promoted policy is in force, so there is nothing to roll back.")
        back = before(moves)
        version, mode, share = ("", PolicyMode.OFF, 0.0) if back is None else (back.version, back.mode, back.share)
        evidence, restores = ({}, 0) if back is None else (back.evidence, back.number)
        move = PolicyMove(
            tenant, len(moves) + 1, time.time(), subject, kind, version, mode, share, evidence, reason, restores
        )
        await self._store.policies.add(move)
        await self.load()
        return move

    async def load(self) -> None:
        """Make the newest moves of all tenants come true here. Raises Unavailable."""
        async with self._turn:
            of_tenant: dict[str, list[PolicyMove]] = {}
            for move in await self._store.policies.moves():
                of_tenant.setdefault(move.tenant, []).append(move)
            for tenant, moves in of_tenant.items():
                watched = self._watched.setdefault(tenant, _Watched())
                if watched.move is None or watched.move.number != moves[-1].number:
                    await self._enforce(tenant, moves)
                    watched.move, watched.monitor = moves[-1], _monitor_of(moves[-1])

    def look(self) -> None:
        """Another gateway may have changed something."""
        self._changed.set()

    async def run(self) -> None:
        """Load whenever something may have changed, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            try:
                await self.load()
            except ToolcribError as error:
                _log.warning("What other gateways promoted is not read yet: %s", error.message)

    def take(self, event: Event) -> None:
        """What happens, as it happens: the watched policy's choices count against it, or for it. Never waits."""
        watched = self._watched.get(event.tenant)
        if watched is None or watched.move is None:
            return
        choice = watched.choices.take(event)
        if choice is None or choice.drawn or choice.by != watched.move.version or watched.monitor is None:
            return
        if watched.monitor.take(choice.reward):
            monitor, watched.monitor = watched.monitor, None
            task = asyncio.create_task(self._give_up(watched.move, monitor.sentence))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def monitored(self, tenant: str) -> Monitor | None:
        """How the promoted policy has done since this process knows it; None where nobody watches."""
        watched = self._watched.get(tenant)
        return None if watched is None else watched.monitor

    def failure(self, tenant: str) -> str | None:
        """Why what was promoted does not decide here."""
        return self._failures.get(tenant)

    async def aclose(self) -> None:
        """Let what is under way end."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._standings.aclose()

    async def _give_up(self, move: PolicyMove, reason: str) -> None:
        """Roll back what the monitor complains about; another gateway may have done so already."""
        moves = await self._store.policies.moves(move.tenant)
        if moves[-1].number != move.number:
            await self.load()
            return
        _log.warning("The policy %s of tenant %s is rolled back. %s", move.version, move.tenant, reason)
        try:
            await self.roll_back(move.tenant, "policy", kind=MoveKind.AUTOMATIC_ROLLBACK, reason=reason)
        except Conflict:
            await self.load()

    async def _enforce(self, tenant: str, moves: Sequence[PolicyMove]) -> None:
        """One assignment, between two steps of the event loop; what it replaces ends when its last search has."""
        newest, standing = moves[-1], None
        self._failures.pop(tenant, None)
        if newest.version:
            try:
                standing = await self._standing(newest, moves)
            except ToolcribError as error:
                self._failures[tenant] = error.message
                _log.warning("The policy of tenant %s cannot be opened: %s", tenant, error.message)
        replaced = self._standings.put(tenant, standing)
        if replaced is not None:
            self._later(replaced)
            if replaced.control is not None and replaced.control is not self._standings.everywhere:
                self._later(replaced.control)

    def _later(self, replaced: Standing) -> None:
        task = asyncio.create_task(replaced.retire())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _standing(self, move: PolicyMove, moves: Sequence[PolicyMove]) -> Standing:
        policy = await self._kept.open(move.tenant, move.version)
        control = None
        if move.mode is not PolicyMode.LIVE:
            control = await self._control(move.tenant, move.version, moves)
        return Standing(router_of(policy), Regime(move.mode, move.share), move.version, control)

    async def _control(self, tenant: str, version: str, moves: Sequence[PolicyMove]) -> Standing | None:
        """What decides where this version does not: the one that was live before, here or by the settings."""
        live = live_below(moves, version)
        if live is not None:
            policy = await self._kept.open(tenant, live.version)
            return Standing(router_of(policy), Regime(PolicyMode.LIVE), live.version)
        everywhere = self._standings.everywhere
        return everywhere if everywhere.looks_on and everywhere.regime.mode is PolicyMode.LIVE else None

    async def _bench(self, tenant: str, version: str, moves: Sequence[PolicyMove]) -> Bench:
        choices = await self._choices(tenant)
        control = await self._control(tenant, version, moves)
        tools = {one.tool_id for choice in choices if choice.decision for one in choice.decision.candidates}
        texts = await self._texts(tenant, sorted(tools))
        return Bench(choices, None if control is None else _policy_of(control), texts, tenant)

    async def _choices(self, tenant: str) -> list[Choice]:
        """Of what is written; the journal writes four times a second."""
        choices, made = Choices(), []
        after = max(0, await self._store.events.last(tenant) - LOOKS_BACK)
        while page := await self._store.events.read(tenant, after=after, limit=_PAGE):
            made += [choice for logged in page if (choice := choices.take(logged.event)) is not None]
            after = page[-1].seq
        return made


def _monitor_of(move: PolicyMove) -> Monitor | None:
    """Of a policy that decides and came through the gate; its bar is what it was compared with."""
    estimates: Mapping[str, Any] = move.evidence.get("estimates", {})
    if move.mode not in {PolicyMode.CANARY, PolicyMode.LIVE} or not estimates:
        return None
    return Monitor(float(estimates["baseline"]["low"]))


def _policy_of(standing: Standing) -> Policy:
    """To be asked about logged searches. Raises PolicyRefused where it is not in this process."""
    decider = standing.router.backends[0].decider
    if not isinstance(decider, EmbeddedDecider):
        raise PolicyRefused(
            f"What decides now is a policy behind an address ({decider.name}), which cannot be asked about logged "
            "searches; unset it, or let this one look on in the shadow."
        )
    return decider.policy
