"""The metrics of a memory over sessions small enough to count by hand."""

from __future__ import annotations

import pytest

from domain.ledger import CACHED, WRITTEN
from gateway.evaluation.memory_metrics import (
    PromptCost,
    TurnCounts,
    per_batch,
    residual_after_peaks,
    windowed_removal_ratio,
)


def test_every_window_of_three_turns_counts_and_those_without_additions_are_left_out() -> None:
    turns = [TurnCounts(5, 0), TurnCounts(5, 5), TurnCounts(0, 5), TurnCounts(0, 0), TurnCounts(0, 0)]
    assert windowed_removal_ratio(turns) == pytest.approx((10 / 10 + 10 / 5) / 2)


def test_the_residual_is_that_of_the_three_turns_from_a_peak_on() -> None:
    turns = [TurnCounts(peak=p, residual=r) for p, r in ((1, 9), (7, 2), (6, 4), (5, 6), (4, 9))]
    assert residual_after_peaks(turns) == 4


def test_an_array_that_only_grows_at_its_end_rewrites_no_cache() -> None:
    cost = PromptCost()
    cost.bind([("a", 10)])
    cost.bind([("a", 10), ("b", 20)])
    assert (cost.rewrites, cost.tokens) == (0, [10, 30])
    assert cost.billed == pytest.approx([WRITTEN * 10, CACHED * 10 + WRITTEN * 20])


@pytest.mark.parametrize("array", [[("b", 20)], [("b", 20), ("a", 10)], [("a", 11), ("b", 20)], []])
def test_an_array_that_loses_moves_or_changes_a_tool_rewrites_the_cache(array: list[tuple[str, int]]) -> None:
    cost = PromptCost()
    cost.bind([("a", 10), ("b", 20)])
    cost.bind(array)
    assert cost.rewrites == 1


def test_batches_are_judged_from_one_to_the_next() -> None:
    turns = [TurnCounts(added=8), TurnCounts(added=2, removed=5, residual=5, is_batch=True)]
    turns += [TurnCounts(added=3), TurnCounts(added=3, removed=6, residual=5, is_batch=True), TurnCounts(added=1)]
    assert per_batch(turns) == (1.0, 5.0)
    assert per_batch(turns[:3]) == (None, 5.0)
    assert per_batch(turns[:1]) == (None, None)
