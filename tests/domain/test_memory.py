"""Tool memory: bounded whatever happens, pins stay, history is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.memory import MemoryEntry, ToolMemory
from domain.sessions import MemoryMode, SessionLimits


def entry(tool_id: str, at: float = 0.0) -> MemoryEntry:
    return MemoryEntry(tool_id, "search: x", added_at=at, tokens=10, last_used_at=at)


def memory(limit: int, mode: MemoryMode = MemoryMode.LRU) -> ToolMemory:
    return ToolMemory(SessionLimits(limit), mode)


def test_a_full_lru_memory_lets_the_least_recently_used_tool_go() -> None:
    held = memory(2).add([entry("a", 1), entry("b", 2)]).memory.used("a", 3)
    change = held.add([entry("c", 4)])
    assert change.evicted == ("b",)
    assert list(change.memory.entries) == ["a", "c"]


def test_a_full_autonomous_memory_refuses_and_keeps_what_it_holds() -> None:
    held = memory(1, MemoryMode.AUTONOMOUS).add([entry("a")]).memory
    change = held.add([entry("b")])
    assert change.refused == ("b",)
    assert list(change.memory.entries) == ["a"]


def test_tools_of_one_call_never_push_each_other_out() -> None:
    change = memory(2).add([entry("a"), entry("b"), entry("c")])
    assert change.added == ("a", "b")
    assert change.refused == ("c",)


def test_a_tool_found_again_keeps_its_history() -> None:
    held = memory(5).add([entry("a", 1)]).memory.used("a", 2).pin(["a"])
    again = held.add([entry("a", 9)]).memory.entries["a"]
    assert (again.added_at, again.uses, again.pinned, again.last_used_at) == (1, 1, True, 9)


def test_removal_reports_unknown_and_pinned_names() -> None:
    held = memory(5).add([entry("a"), entry("b")]).memory.pin(["a"])
    change = held.remove(["a", "b", "zzz"])
    assert (change.removed, change.refused, change.unknown) == (("b",), ("a",), ("zzz",))


def test_pinning_a_tool_that_is_not_held_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be pinned"):
        memory(5).pin(["a"])


def test_a_limit_of_zero_is_refused() -> None:
    with pytest.raises(InvalidInput, match="between 1 and"):
        SessionLimits(0)


NAMES = st.sampled_from([f"t{i}" for i in range(12)])
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "pin", "use"]), st.lists(NAMES, max_size=6)), max_size=40
)


@given(st.integers(1, 6), st.sampled_from(MemoryMode), OPERATIONS)
def test_no_sequence_of_operations_exceeds_the_limit_or_loses_a_pin(
    limit: int, mode: MemoryMode, operations: list[tuple[str, list[str]]]
) -> None:
    held = memory(limit, mode)
    pinned: set[str] = set()
    for step, (operation, names) in enumerate(operations):
        if operation == "add":
            held = held.add(entry(name, step) for name in names).memory
        elif operation == "remove":
            held = held.remove(names).memory
        elif operation == "pin":
            present = [name for name in names if name in held.entries]
            held = held.pin(present)
            pinned.update(present)
        else:
            for name in names:
                held = held.used(name, step)
        assert len(held) <= limit
        assert pinned <= set(held.entries)
