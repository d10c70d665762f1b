from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from index import clauses, exact, fusion, identifiers
from index.evaluation import metrics
from index.fusion import best_of, min_max, ordered, reciprocal_rank, weighted_sum

scores = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=2), st.floats(-100, 100).map(lambda score: round(score, 6)), max_size=12
)


def test_the_worked_examples_hold() -> None:
    for module in (fusion, clauses, exact, identifiers, metrics):
        result = doctest.testmod(module)
        assert result.attempted > 0, module
        assert result.failed == 0, module


@given(scores)
def test_min_max_keeps_the_order_and_stays_between_0_and_1(given_scores: dict[str, float]) -> None:
    before = dict(given_scores)
    moved = min_max(given_scores)
    assert given_scores == before
    assert all(0 <= value <= 1 for value in moved.values())
    for one, two in zip(ordered(given_scores), ordered(given_scores)[1:], strict=False):
        assert moved[one] >= moved[two]
    if moved:
        assert max(moved.values()) == 1


@given(scores, st.floats(0.1, 10), st.floats(-5, 5))
def test_min_max_does_not_see_scale_or_offset(given_scores: dict[str, float], scale: float, offset: float) -> None:
    if len(given_scores) < 2 or max(given_scores.values()) - min(given_scores.values()) < 0.1:
        return
    moved = min_max({tool_id: scale * score + offset for tool_id, score in given_scores.items()})
    for tool_id, value in min_max(given_scores).items():
        assert abs(moved[tool_id] - value) < 1e-6


@given(st.lists(st.tuples(st.floats(0, 1), scores), max_size=4))
def test_a_weighted_sum_holds_every_tool_once_whatever_the_order(parts: list[tuple[float, dict[str, float]]]) -> None:
    total, turned = weighted_sum(parts), weighted_sum(parts[::-1])
    assert total.keys() == {tool_id for _, part in parts for tool_id in part}
    assert all(abs(total[tool_id] - turned[tool_id]) < 1e-6 for tool_id in total)


@given(st.lists(scores, max_size=4))
def test_the_best_of_parts_is_the_maximum_of_each_tool(parts: list[dict[str, float]]) -> None:
    best = best_of(parts)
    for tool_id, score in best.items():
        assert score == max(part[tool_id] for part in parts if tool_id in part)


@given(scores, scores)
def test_reciprocal_rank_fusion_depends_on_ranks_alone(one: dict[str, float], two: dict[str, float]) -> None:
    cubed = {tool_id: score**3 for tool_id, score in two.items()}
    if ordered(cubed) == ordered(two):  # tiny scores may collapse to ties
        assert reciprocal_rank([one, two]) == reciprocal_rank([one, cubed])


def test_ties_are_ordered_by_tool_id() -> None:
    assert ordered({"b": 1.0, "a": 1.0, "c": 2.0}) == ["c", "a", "b"]
