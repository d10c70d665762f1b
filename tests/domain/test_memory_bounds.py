"""Ten thousand random lives of a session: its bounds hold after every operation, pins stay, equal lives end equal."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from domain.memory import MAX_FOLDED, MemoryChange, ToolMemory
from domain.memory_entries import MemoryEntry
from domain.memory_turns import begin_turn, due
from domain.sessions import MemoryMode, SessionLimits

SEQUENCES = 10_000
OPERATIONS = 16
NAMES = [f"t{n}" for n in range(14)]


@dataclass
class Life:
    """A session that two gateways change at once: each works on the memory it saw last, and one that comes too late
    looks again and repeats (store/sessions.py).
    """

    memory: ToolMemory
    dice: random.Random
    pinned: set[str] = field(default_factory=set)
    now: int = 0

    def step(self) -> None:
        """One gateway's operation, on the memory as it stands when it is accepted."""
        self.now += 1
        stale = self.memory
        operation = self.dice.choice(["add", "add", "remove", "pin", "unpin", "use", "turn", "verdict"])
        names = self.dice.choices(NAMES, k=self.dice.randint(1, 6))
        verdict = due(stale, names) if self.dice.random() < 0.5 else names
        if self.dice.random() < 0.3:  # the other gateway was quicker; what was decided for this one is out of date
            self._accept(self.memory.add([self._entry(self.dice.choice(NAMES))]))
        self._apply(operation, names, verdict)

    def _apply(self, operation: str, names: list[str], verdict: tuple[str, ...] | list[str]) -> None:
        match operation:
            case "add":
                self._accept(self.memory.add([self._entry(name) for name in names]))
            case "remove":
                self._accept(self.memory.remove(names))
            case "pin" | "unpin":
                held = [name for name in names if name in self.memory.entries]
                self._accept(MemoryChange(self.memory.pin(held, pinned=operation == "pin")))
                self.pinned = self.pinned | set(held) if operation == "pin" else self.pinned - set(held)
            case "use":
                self._accept(MemoryChange(self.memory.used(names[0], self.now)))
            case "turn":
                self._accept(begin_turn(self.memory, due(self.memory, names)))
            case _:
                self._accept(begin_turn(self.memory, verdict, announced=True))

    def _entry(self, name: str) -> MemoryEntry:
        return MemoryEntry(name, f"search: {name}", self.now, 1 + hash_of(name) % 40, self.now)

    def _accept(self, change: MemoryChange) -> None:
        before, self.memory = self.memory, change.memory
        limits = self.memory.limits
        assert len(self.memory) + self.memory.mode.system_tools <= limits.max_tools
        assert limits.max_tokens is None or self.memory.tokens <= limits.max_tokens
        assert len(self.memory.folded) <= MAX_FOLDED
        assert self.pinned <= self.memory.entries.keys()
        assert not self.memory.folded.keys() & self.memory.entries.keys()
        assert self.memory.entries.keys() - before.entries.keys() == set(change.added)
        assert (
            before.entries.keys() - self.memory.entries.keys()
            == {*change.evicted, *change.removed} & before.entries.keys()
        )


def hash_of(name: str) -> int:
    return sum(map(ord, name)) * 7919


def life(seed: int, mode: MemoryMode) -> Life:
    dice = random.Random(seed)
    limits = SessionLimits(
        max_tools=mode.system_tools + dice.randint(1, 8),
        max_tokens=dice.choice([None, 20, 60, 150]),
        idle_turns=dice.randint(1, 4),
        high_water=dice.choice([0.6, 0.9, 1.0]),
        low_water=dice.choice([0.1, 0.5]),
    )
    return Life(ToolMemory(limits, mode), dice)


@pytest.mark.parametrize("mode", list(MemoryMode))
def test_no_sequence_of_operations_exceeds_a_limit_or_loses_a_pin(mode: MemoryMode) -> None:
    thorough = mode in {MemoryMode.HYBRID, MemoryMode.LRU}
    for seed in range(SEQUENCES if thorough else SEQUENCES // 10):
        session = life(seed, mode)
        for _ in range(OPERATIONS):
            session.step()


@pytest.mark.parametrize("mode", list(MemoryMode))
def test_equal_operations_leave_equal_memories_in_equal_order(mode: MemoryMode) -> None:
    for seed in range(200):
        one, other = life(seed, mode), life(seed, mode)
        for _ in range(OPERATIONS):
            one.step()
            other.step()
        assert one.memory == other.memory
        assert list(one.memory.entries) == list(other.memory.entries)
