"""From a recall to the order that is answered: mix, join the clauses, put first what was named. Pure.

Scores stay with every candidate, stage by stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from domain.candidates import Candidate
from index.fields import CONCAT, NAME
from index.fusion import Scores, best_of, min_max, ordered, reciprocal_rank, weighted_sum
from index.ports import Hit
from index.profiles import Mix, Profile
from index.ranking.learnt import LearntMix
from index.ranking.recall import ADAPTED, SPARSE, Recall, Table, table

NEAREST = 3
"""Candidates beyond k that a ranking keeps to explain what nearly made it."""

EXACT, PHRASE, PREFIX = "exact", "phrase", "prefix"
WHOLE, CLAUSES, FUSED = "whole", "clauses", "fused"
BEHIND = "behind"
"""What a tool loses that answers best the clause that another answers better."""

EXACT_BONUS = 1.0
"""Mixed scores lie in [0, 1]: a tool that the query names stands above every tool that it describes."""


def rank(
    recall: Recall, profile: Profile, k: int, *, depth: int = 0, mix: LearntMix | None = None
) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """The k best, and the nearest left out, as many as make `depth`. `mix`: what a profile of learnt weights needs."""
    stages: dict[str, Scores] = {stage: _by_hit(hits) for (number, stage), hits in recall.found.items() if number == 0}
    exact = stages.get(EXACT, {})
    included = {*stages.get(PHRASE, {}), *stages.get(PREFIX, {})}
    named = dict.fromkeys(exact, EXACT_BONUS) | dict.fromkeys(included - set(exact), 0.0)
    shown = max(k + NEAREST, depth)
    if mix is not None:
        order, final, stages = _learnt(recall, mix, profile.coverage, named, stages)
    else:
        stages |= _cosines(recall, profile) if profile.cosines else _fixed(recall, profile)
        final = weighted_sum([(1.0, stages[FUSED]), (1.0, named)])
        order = ordered(final)
    servers = {hit.tool_id: hit.server for hits in recall.found.values() for hit in hits}
    candidates = [
        Candidate(tool_id, servers[tool_id], final[tool_id], {n: s[tool_id] for n, s in stages.items() if tool_id in s})
        for tool_id in with_included(order, included, k)[:shown]
    ]
    return tuple(candidates[:k]), tuple(candidates[k:])


def by_clause(recall: Recall, profile: Profile, mix: LearntMix | None = None) -> tuple[Scores, ...]:
    """What each clause alone makes of the tools, in [0, 1]: by learnt weights of all that were recalled, else of those
    that its own legs found. Empty for a query without clauses.
    """
    if len(recall.texts) == 1 or not recall.tool_ids:
        return ()
    if mix is None:
        return tuple(_by_text(recall, profile)[1:])
    found = _found(recall, mix)
    return tuple(_by_tool(found.tool_ids, spread(scores)) for scores in mix.scores(found)[1:])


def _found(recall: Recall, mix: LearntMix) -> Table:
    adapted = (ADAPTED,) if ADAPTED in mix.marks else ()
    return table(recall, (CONCAT, NAME, SPARSE, *adapted))


def _learnt(
    recall: Recall, mix: LearntMix, coverage: float, named: Scores, stages: Mapping[str, Scores]
) -> tuple[Sequence[str], Scores, dict[str, Scores]]:
    """The order, the scores it is by, and those of each stage: the learnt ones moved to [0, 1], and beside them the
    parts that they are the sum of.
    """
    found = _found(recall, mix)
    if not found.tool_ids:
        return (), {}, {**stages, FUSED: {}}
    by_text = mix.scores(found)
    parts = {WHOLE: by_text[0]}
    total = by_text[0]
    lost: Scores = {}
    if len(by_text) > 1:
        parts[CLAUSES] = by_text[1:].max(axis=0)
        total = total + parts[CLAUSES]
        behind = ~leading(by_text) if coverage else np.zeros(len(total), bool)
        total = np.where(behind, total - coverage, total)
        lost = dict.fromkeys(np.array(found.tool_ids)[behind].tolist(), -coverage)
    fused = spread(total)
    final = fused + np.array([named.get(tool_id, 0.0) for tool_id in found.tool_ids]) if named else fused
    # Ties by tool_id: the ids are in their order.
    order = [found.tool_ids[at] for at in np.argsort(-final, kind="stable").tolist()]
    by_stage = {stage: scores[0] for stage, scores in recall.exact.items()} | parts | {FUSED: fused}
    of_stages = {stage: _by_tool(found.tool_ids, scores) for stage, scores in by_stage.items()}
    return order, _by_tool(found.tool_ids, final), {**stages, **of_stages, **({BEHIND: lost} if lost else {})}


def spread(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`index.fusion.min_max` of an array.

    >>> spread(np.array([3.0, 1.0])).tolist(), spread(np.array([2.0])).tolist()
    ([1.0, 0.0], [1.0])
    """
    low, high = scores.min(), scores.max()
    if high <= low:
        return np.ones_like(scores)
    moved: npt.NDArray[np.float64] = (scores - low) / (high - low)
    return moved


def leading(by_text: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which candidates are the best of those that answer the same clause best; the first of equals.

    `by_text`: shape (texts, candidates), the whole query first.

    >>> leading(np.array([[0, 0, 0], [5, 4, 0], [0, 1, 2]])).tolist()
    [True, False, True]
    """
    total = by_text[0] + by_text[1:].max(axis=0)
    clause = by_text[1:].argmax(axis=0)
    order = np.argsort(-total, kind="stable")
    _, first = np.unique(clause[order], return_index=True)
    leads = np.zeros(len(total), bool)
    leads[order[first]] = True
    return leads


def _cosines(recall: Recall, profile: Profile) -> dict[str, Scores]:
    """The cosine of each field, and their weighted sum."""
    tool_ids = recall.tool_ids
    of_fields: dict[str, Scores] = {field: _by_tool(tool_ids, recall.exact[field][0]) for field in profile.cosines}
    return of_fields | {FUSED: weighted_sum((weight, of_fields[field]) for field, weight in profile.cosines.items())}


def _by_tool(tool_ids: Sequence[str], scores: npt.NDArray[np.floating]) -> dict[str, float]:
    return dict(zip(tool_ids, scores.tolist(), strict=True))


def _by_hit(hits: Sequence[Hit]) -> dict[str, float]:
    return {hit.tool_id: hit.score for hit in hits}


def _fixed(recall: Recall, profile: Profile) -> dict[str, Scores]:
    mixes = _by_text(recall, profile)
    if len(mixes) == 1:
        return {FUSED: mixes[0]}
    best = best_of(mixes[1:])
    fused = weighted_sum([(profile.whole, mixes[0]), (1 - profile.whole, best)])
    return {WHOLE: mixes[0], CLAUSES: best, FUSED: fused}


def _by_text(recall: Recall, profile: Profile) -> list[dict[str, float]]:
    scores = {which: _by_hit(hits) for which, hits in recall.found.items()}
    return [_mix(scores, number, profile) for number in range(len(recall.texts))]


def _mix(scores: Mapping[tuple[int, str], Scores], number: int, profile: Profile) -> dict[str, float]:
    """One score in [0, 1] per tool that any leg of this text found."""
    legs = [(weight, scores.get((number, name), {})) for name, weight in profile.dense.items()]
    sparse = scores.get((number, SPARSE), {})
    if profile.mix is Mix.RRF:
        return reciprocal_rank([hits for _, hits in legs] + [sparse])
    dense = [(weight, min_max(hits)) for weight, hits in legs]
    # A cosine has no zero of its own, so the worst hit is it; BM25 has one: no term in common.
    return weighted_sum([*dense, (profile.sparse, min_max(sparse, floor=0.0))])


def with_included(order: Sequence[str], included: set[str], k: int) -> list[str]:
    """The order, with included tools that fell behind k moved up to the last places before it, at most k // 2."""
    behind = [tool_id for tool_id in order[k:] if tool_id in included][: k // 2]
    if not behind:
        return list(order)
    front = list(order[:k])
    replaceable = [tool_id for tool_id in reversed(front) if tool_id not in included][: len(behind)]
    moved = behind[: len(replaceable)]
    kept = [tool_id for tool_id in front if tool_id not in replaceable]
    rest = [tool_id for tool_id in order if tool_id not in kept and tool_id not in moved]
    return [*kept, *moved, *rest]
