"""What leaves when a turn begins, by mode."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.memory import ToolMemory
from domain.memory_entries import MemoryEntry
from domain.memory_turns import KEPT_BY_RULE, begin_turn, due, search_begins_turn
from domain.sessions import MemoryMode, SessionLimits

PRUNING = [MemoryMode.WORKFLOW, MemoryMode.HYBRID, MemoryMode.LRU]


def entry(tool_id: str, reason: str = "search: x") -> MemoryEntry:
    return MemoryEntry(tool_id, reason, added_at=0, tokens=10, last_used_at=0)


def holding(mode: MemoryMode, *tool_ids: str, limits: SessionLimits | None = None) -> ToolMemory:
    return ToolMemory(limits or SessionLimits(), mode).add(entry(tool_id) for tool_id in tool_ids).memory


def after(memory: ToolMemory, turns: int) -> ToolMemory:
    for _ in range(turns):
        memory = begin_turn(memory, due(memory)).memory
    return memory


@pytest.mark.parametrize("mode", [MemoryMode.AUTONOMOUS, MemoryMode.PASSTHROUGH, MemoryMode.CACHE_AWARE])
def test_without_a_pruner_or_a_watermark_in_reach_nothing_leaves(mode: MemoryMode) -> None:
    assert list(after(holding(mode, "a", "b"), 50).entries) == ["a", "b"]


@pytest.mark.parametrize("mode", PRUNING)
def test_a_tool_that_was_found_and_not_called_leaves(mode: MemoryMode) -> None:
    assert len(after(holding(mode, "a", "b"), 2)) == 0


@pytest.mark.parametrize("mode", [MemoryMode.WORKFLOW, MemoryMode.HYBRID])
def test_a_called_tool_outlives_one_that_was_only_found(mode: MemoryMode) -> None:
    held = holding(mode, "a", "b").used("b", 1)
    assert list(after(held, 2).entries) == ["b"]


@pytest.mark.parametrize("mode", PRUNING)
def test_a_called_tool_leaves_after_some_turns_without_use(mode: MemoryMode) -> None:
    assert len(after(holding(mode, "a").used("a", 1), 6)) == 0


@pytest.mark.parametrize("mode", PRUNING)
def test_a_pinned_tool_stays_and_what_left_has_a_line(mode: MemoryMode) -> None:
    held = after(holding(mode, "a", "b").pin(["a"]), 9)
    assert (list(held.entries), list(held.folded)) == (["a"], ["b"])


def test_the_rule_keeps_what_the_next_turn_is_about() -> None:
    found = [entry("mail__send_mail", "search: write to Ann"), entry("files__list", "search: what is in the folder")]
    held = after(ToolMemory(SessionLimits(), MemoryMode.HYBRID).add(found).memory, 1)
    assert due(held, ["send that mail to Ann"]) == ("files__list",)


def test_lru_waits_as_many_turns_as_the_session_says() -> None:
    held = holding(MemoryMode.LRU, "a", limits=SessionLimits(idle_turns=5))
    assert (len(after(held, 4)), len(after(held, 5))) == (1, 0)


def test_the_rule_leaves_at_most_its_bound_however_much_is_called() -> None:
    held = holding(MemoryMode.WORKFLOW, *(f"t{n}" for n in range(30)))
    for n in range(30):
        held = held.used(f"t{n}", 1)
    assert len(after(held, 1)) == KEPT_BY_RULE


def test_a_verdict_cannot_make_a_pinned_tool_leave() -> None:
    held = holding(MemoryMode.HYBRID, "a", "b").pin(["a"])
    change = begin_turn(held, ["a", "b", "never-held"])
    assert (change.evicted, list(change.memory.entries)) == (("b",), ["a"])


def test_cache_aware_changes_nothing_below_its_high_watermark_and_then_leaves_a_batch() -> None:
    limits = SessionLimits(10 + 3, high_water=0.8, low_water=0.3)
    quiet = holding(MemoryMode.CACHE_AWARE, *(f"t{n}" for n in range(8)), limits=limits)
    assert due(quiet) == ()
    full = quiet.add([entry("t8")]).memory
    assert len(due(full)) == 6
    assert list(begin_turn(full, due(full)).memory.entries) == ["t6", "t7", "t8"]


@given(
    mode=st.sampled_from([MemoryMode.HYBRID, MemoryMode.LRU, MemoryMode.CACHE_AWARE]),
    used=st.lists(st.sampled_from(range(12)), max_size=40),
    found=st.sets(st.sampled_from(range(20)), min_size=1, max_size=5),
    later=st.lists(st.integers(20, 40), max_size=12),
)
def test_what_this_turn_found_outstays_whatever_came_before_it(
    mode: MemoryMode, used: list[int], found: set[int], later: list[int]
) -> None:
    """However often older tools were called, and however badly the agent searches afterwards."""
    held = holding(mode, *(f"t{n}" for n in range(12)), limits=SessionLimits(12 + mode.system_tools))
    for n in used:
        held = held.used(f"t{n}", n)
    held = begin_turn(held, (), announced=True).memory.add([entry(f"t{n}") for n in sorted(found)]).memory
    for n in later:
        before = held
        held = held.add([entry(f"t{n}")]).memory
        gone = before.entries.keys() - held.entries.keys()
        older = {name for name, one in held.entries.items() if one.seen_turn < held.turn}
        assert not older or not gone & {f"t{number}" for number in found}


def test_cache_aware_has_watermarks_on_tokens_too() -> None:
    limits = SessionLimits(128, max_tokens=100, high_water=0.5, low_water=0.2)
    held = holding(MemoryMode.CACHE_AWARE, *(f"t{n}" for n in range(6)), limits=limits)
    assert begin_turn(held, due(held)).memory.tokens == 20


def test_a_search_begins_a_turn_once_something_was_called() -> None:
    held = holding(MemoryMode.LRU, "a")
    assert not search_begins_turn(held)
    assert search_begins_turn(held.used("a", 1))
    assert search_begins_turn(held.used("not-held", 1))
    assert not search_begins_turn(begin_turn(held.used("a", 1), ()).memory)


def test_where_turns_are_announced_a_search_begins_none() -> None:
    stepped = begin_turn(holding(MemoryMode.HYBRID, "a"), (), announced=True).memory
    assert not search_begins_turn(stepped.used("a", 1))
    assert not search_begins_turn(begin_turn(stepped, ()).memory.used("a", 1))
