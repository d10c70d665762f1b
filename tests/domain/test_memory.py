"""Tool memory: bounded whatever happens, pins stay, history is kept, what leaves by a rule leaves a line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.memory import MAX_FOLDED, ToolMemory
from domain.memory_entries import MemoryEntry
from domain.sessions import MemoryMode, SessionLimits


def entry(tool_id: str, at: float = 0.0, tokens: int = 10) -> MemoryEntry:
    return MemoryEntry(tool_id, "search: x", added_at=at, tokens=tokens, last_used_at=at)


def memory(room: int, mode: MemoryMode = MemoryMode.LRU, max_tokens: int | None = None) -> ToolMemory:
    """One with room for so many tools beside the system's."""
    return ToolMemory(SessionLimits(room + mode.system_tools, max_tokens), mode)


def test_the_limit_includes_the_system_tools() -> None:
    held = ToolMemory(SessionLimits(5), MemoryMode.HYBRID).add(entry(name) for name in "abc").memory
    assert (held.capacity, len(held)) == (2, 2)


def test_a_limit_that_the_system_tools_fill_alone_is_refused() -> None:
    with pytest.raises(InvalidInput, match="its limit is at least 4, not 3"):
        ToolMemory(SessionLimits(3), MemoryMode.LRU)


def test_a_full_lru_memory_lets_the_least_recently_used_tool_go() -> None:
    held = memory(2).add([entry("a", 1), entry("b", 2)]).memory.used("a", 3)
    change = held.add([entry("c", 4)])
    assert change.evicted == ("b",)
    assert list(change.memory.entries) == ["a", "c"]


@pytest.mark.parametrize("mode", [MemoryMode.AUTONOMOUS, MemoryMode.PASSTHROUGH])
def test_a_full_memory_that_nobody_prunes_refuses_and_keeps_what_it_holds(mode: MemoryMode) -> None:
    held = memory(1, mode).add([entry("a")]).memory
    change = held.add([entry("b")])
    assert change.refused == ("b",)
    assert list(change.memory.entries) == ["a"]


def test_a_token_budget_lets_as_many_go_as_the_new_tool_needs() -> None:
    held = memory(9, max_tokens=30).add([entry("a", 1), entry("b", 2), entry("c", 3)]).memory
    change = held.add([entry("d", 4, tokens=15)])
    assert change.evicted == ("a", "b")
    assert change.memory.tokens == 25


def test_nobody_leaves_for_a_tool_that_cannot_fit() -> None:
    held = memory(9, max_tokens=30).add([entry("a", 1), entry("b", 2)]).memory
    change = held.add([entry("huge", tokens=31)])
    assert (change.refused, change.evicted) == (("huge",), ())
    assert list(change.memory.entries) == ["a", "b"]


def test_tools_of_one_call_never_push_each_other_out() -> None:
    held = memory(2).add([entry("old"), entry("c")]).memory
    change = held.add([entry("a", 1), entry("b", 1), entry("c", 1)])
    assert (change.added, change.evicted, change.refused) == (("a",), ("old",), ("b",))


def test_a_tool_found_again_keeps_its_history() -> None:
    held = memory(5).add([entry("a", 1)]).memory.used("a", 2).pin(["a"])
    again = held.add([entry("a", 9)]).memory.entries["a"]
    assert (again.added_at, again.uses, again.pinned, again.last_used_at) == (1, 1, True, 9)


def test_removal_reports_unknown_and_pinned_names() -> None:
    held = memory(5).add([entry("a"), entry("b")]).memory.pin(["a"])
    change = held.remove(["a", "b", "zzz"])
    assert (change.removed, change.refused, change.unknown) == (("b",), ("a",), ("zzz",))


def test_cache_aware_keeps_a_tool_that_is_given_back_until_the_next_batch() -> None:
    held = memory(4, MemoryMode.CACHE_AWARE).add(entry(name) for name in "abcd").memory
    given_back = held.remove(["b"])
    assert (given_back.deferred, list(given_back.memory.entries)) == (("b",), list("abcd"))
    batch = given_back.memory.add([entry("e", 9)])
    assert batch.evicted[0] == "b"
    assert list(batch.memory.entries) == [*(name for name in "abcd" if name not in batch.evicted), "e"]


def test_a_tool_found_again_is_no_longer_given_back() -> None:
    held = memory(4, MemoryMode.CACHE_AWARE).add([entry("a")]).memory.remove(["a"]).memory
    assert not held.add([entry("a")]).memory.entries["a"].released


def test_cache_aware_evicts_down_to_its_low_watermark_at_once() -> None:
    limits = SessionLimits(8 + 3, low_water=0.5, high_water=1.0)
    held = ToolMemory(limits, MemoryMode.CACHE_AWARE).add(entry(f"t{n}", n) for n in range(8)).memory
    change = held.add([entry("new", 9)])
    assert len(change.evicted) == 5
    assert len(change.memory) == 4


def test_an_evicted_tool_leaves_a_line_and_comes_back_by_name_with_its_reason_and_uses() -> None:
    held = memory(1).add([entry("a", 1)]).memory.used("a", 2)
    without = held.add([entry("b", 3)]).memory
    assert without.folded["a"].reason == "search: x"
    back = without.add([MemoryEntry("a", "call", 4, 10, 4)])
    assert (back.added, back.evicted) == (("a",), ("b",))
    assert (back.memory.entries["a"].reason, back.memory.entries["a"].uses) == ("search: x", 1)
    assert list(back.memory.folded) == ["b"]


def test_what_an_agent_gives_back_leaves_no_line() -> None:
    assert memory(5).add([entry("a")]).memory.remove(["a"]).memory.folded == {}


def test_the_line_of_a_tool_that_left_can_be_removed_by_its_name() -> None:
    folded = memory(1).add([entry("a")]).memory.add([entry("b", 1)]).memory
    change = folded.remove(["a"])
    assert (change.removed, change.unknown, change.memory.folded) == (("a",), (), {})


def test_lines_of_tools_that_left_are_bounded_and_the_oldest_go_first() -> None:
    held = memory(1)
    for n in range(MAX_FOLDED + 5):
        held = held.add([entry(f"t{n}", n)]).memory
    assert list(held.folded) == [f"t{n}" for n in range(4, MAX_FOLDED + 4)]


def test_pinning_a_tool_that_is_not_held_is_refused() -> None:
    with pytest.raises(InvalidInput, match="cannot be pinned"):
        memory(5).pin(["a"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: SessionLimits(0), "between 1 and"),
        (lambda: SessionLimits(max_tokens=0), "token budget is at least 1, not 0"),
        (lambda: SessionLimits(idle_turns=0), "at least 1 turn"),
        (lambda: SessionLimits(high_water=0.2, low_water=0.3), "0 < low < high <= 1"),
        (lambda: SessionLimits(high_water=1.5), "0 < low < high <= 1"),
    ],
    ids=["tools", "tokens", "turns", "order", "share"],
)
def test_limits_that_are_none_are_refused(make: Callable[[], SessionLimits], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()


IDS = st.lists(st.sampled_from([f"t{i}" for i in range(12)]), max_size=6)


@given(IDS, IDS, st.sampled_from(MemoryMode))
def test_two_changes_told_as_one_name_what_happened_in_both(
    first: list[str], second: list[str], mode: MemoryMode
) -> None:
    one = memory(8, mode).add(entry(name) for name in first)
    two = one.memory.remove(second)
    both = one.then(two)
    assert both.memory == two.memory
    assert (both.added, both.removed, both.deferred, both.unknown) == (
        one.added,
        two.removed,
        two.deferred,
        two.unknown,
    )
