"""Asks one back-end after the other until one decides: each has its deadline, and one that keeps failing is left alone.

Identical questions share an answer, under way or remembered. Refuses to know: what a decision is used for.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.circuit import Circuit, Patience
from domain.errors import ModelUnavailable
from policy_client.deciders.ports import Decider
from policy_client.decision import Decision, Question
from policy_client.http.failures import ModelLate, ModelSilent

PATIENCE = Patience(failures=3, first_s=1.0, last_s=5.0)
"""A back-end is left alone after three failures, and tried again every five seconds at least."""

REMEMBERED = 1024


@dataclass(slots=True)
class Counts:
    """Of one back-end since the start. `asked` is the sum of the others and of what its callers gave up."""

    asked: int = 0
    decided: int = 0
    failed: int = 0
    late: int = 0


@dataclass(slots=True)
class BackEnd:
    """A policy with the seconds that a caller waits for it."""

    decider: Decider
    deadline_s: float
    circuit: Circuit = field(default_factory=lambda: Circuit(PATIENCE))
    counts: Counts = field(default_factory=Counts)

    async def decide(self, question: Question) -> Decision:
        """Raises ModelUnavailable; ModelLate after the deadline, ModelSilent while it is left alone."""
        wait_s = self.circuit.admit()
        if wait_s is not None:
            raise ModelSilent(
                f"The policy {self.decider.name} keeps failing and is left alone for a moment: "
                f"{self.circuit.last_failure}",
                retry_after_s=wait_s,
            )
        self.counts.asked += 1
        failure: ModelUnavailable | None = None
        try:
            async with asyncio.timeout(self.deadline_s):
                decision = await self.decider.decide(question)
        except TimeoutError:
            failure = ModelLate(f"The policy {self.decider.name} did not decide within {self.deadline_s:g} s.")
            raise failure from None
        except ModelUnavailable as unavailable:
            failure = unavailable
            raise
        except asyncio.CancelledError:
            self.circuit.gave_no_verdict()
            raise
        finally:
            if failure is not None:
                self._failed(failure)
        self.counts.decided += 1
        self.circuit.succeeded()
        return decision

    def _failed(self, failure: ModelUnavailable) -> None:
        self.counts.failed += 1
        self.counts.late += isinstance(failure, ModelLate)
        self.circuit.failed(failure.message)


class Router:
    """Of one gateway. `backends` in the order in which they are asked: chat, rerank, embedded."""

    def __init__(self, backends: Sequence[BackEnd], *, remembered: int = REMEMBERED) -> None:
        self.backends = tuple(backends)
        self._most = remembered
        self._known: OrderedDict[str, Decision] = OrderedDict()
        self._running: dict[str, asyncio.Task[Decision]] = {}
        self.hits = 0  # questions that cost nothing, since an identical one was answered

    @property
    def reads_texts(self) -> bool:
        return any(backend.decider.reads_texts for backend in self.backends)

    async def decide(self, question: Question) -> Decision:
        """What the first back-end that answers says. Raises ModelUnavailable, the last one's, when none does."""
        key = f"{self._version()}\n{question.key}"
        if key in self._known:
            self.hits += 1
            self._known.move_to_end(key)
            return self._known[key]
        running = self._running.get(key)
        if running is None:
            running = self._running[key] = asyncio.create_task(self._ask(key, question))
            running.add_done_callback(lambda done: self._ended(key, done))
        else:
            self.hits += 1
        # Shielded: whoever gives up does not take the answer away from the others.
        return await asyncio.shield(running)

    async def aclose(self) -> None:
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for backend in self.backends:
            await backend.decider.aclose()

    def _version(self) -> str:
        """Of who would be asked now: what another said is not remembered as this one's opinion."""
        return "|".join(one.decider.version for one in self.backends if not one.circuit.is_open)

    async def _ask(self, key: str, question: Question) -> Decision:
        last: ModelUnavailable = ModelSilent(
            "No policy is set, so nothing decides; `toolcrib serve --help` names them."
        )
        for number, backend in enumerate(self.backends):
            try:
                decision = await backend.decide(question)
            except ModelUnavailable as unavailable:
                last = unavailable
            else:
                if number == 0:
                    self._remember(key, decision)
                return decision
        raise last

    def _remember(self, key: str, decision: Decision) -> None:
        """Only what the first back-end says: the opinion of one that stood in must not outlast the failure."""
        self._known[key] = decision
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def _ended(self, key: str, task: asyncio.Task[Decision]) -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # every waiter may have gone: it is not an error that nobody asks for it
