"""Fits the learnt mix: a softmax over each query's candidates, groups weighing the same, pulled towards a fixed mix.

Plain numpy: one flat array over all queries, Adam, no randomness.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.judged import Judged
from index.fields import CONCAT, NAME
from index.ranking.evidence import CIRCUMSTANCES, MARKS, evidence
from index.ranking.learnt import LearntMix
from index.ranking.recall import ADAPTED, SPARSE, table

STAGES = (CONCAT, NAME, SPARSE, ADAPTED)
Array = npt.NDArray[np.float64]

START = {"concat": 2.5, "name": 0.8, "lexical": 2.0}
"""Of each mark, whatever the circumstances, before anything is learnt."""

STEPS = 60
RATE = 0.1
PULL = 1e-2
"""Weight of the squared size of the weights. Chosen by two-fold cross-validation and leave-one-set-out on train and
dev: .003 fits the sets better and carries over to others worse, .03 the other way round."""


@dataclass(frozen=True, slots=True)
class Flat:
    """Rows are (query, candidate, text), the texts of one candidate side by side, the whole query first."""

    marks: Array  # (rows, marks)
    circumstances: Array  # (texts, circumstances), standardised
    text_of_row: npt.NDArray[np.int64]
    is_whole: npt.NDArray[np.bool_]  # per row
    whole_texts: npt.NDArray[np.bool_]  # per text
    candidate_starts: npt.NDArray[np.int64]  # first row of each candidate
    query_starts: npt.NDArray[np.int64]  # first candidate of each query
    gold: npt.NDArray[np.bool_]  # per candidate
    any_will_do: npt.NDArray[np.bool_]  # per query: one of its gold tools is enough
    weight: Array  # per query
    mean: Array
    scale: Array

    def per_candidate(self, per_query: Array) -> Array:
        return np.repeat(per_query, np.diff(np.append(self.query_starts, len(self.gold))))


def flat(queries: Sequence[Judged], wanted: Sequence[str] = MARKS) -> Flat:
    """Queries of which nothing wanted was found teach nothing and are left out."""
    tables = [(one, table(one.recall, STAGES)) for one in queries]
    taught = [(one, found, gold) for one, found in tables if (gold := _gold(one, found.tool_ids)).any()]
    sizes = np.array([(len(one.recall.texts), len(found.tool_ids)) for one, found, _ in taught])
    measured = [evidence(found, wanted) for _, found, _ in taught]
    circumstances = np.concatenate([about for _, about in measured]).astype(np.float64)
    mean, scale = circumstances.mean(axis=0), circumstances.std(axis=0) + 1e-6
    mean[0], scale[0] = 0.0, 1.0
    text_starts = np.cumsum(sizes[:, 0]) - sizes[:, 0]
    texts = [np.tile(np.arange(t), c) for t, c in sizes]
    whole_texts = np.zeros(len(circumstances), bool)
    whole_texts[text_starts] = True
    per_candidate = np.repeat(sizes[:, 0], sizes[:, 1])
    groups = [one.group for one, _, _ in taught]
    weight = np.array([1 / groups.count(group) for group in groups])
    return Flat(
        marks=np.concatenate([marks.transpose(1, 0, 2).reshape(-1, len(wanted)) for marks, _ in measured]),
        circumstances=(circumstances - mean) / scale,
        text_of_row=np.concatenate([own + start for own, start in zip(texts, text_starts, strict=True)]),
        is_whole=np.concatenate(texts) == 0,
        whole_texts=whole_texts,
        candidate_starts=np.cumsum(per_candidate) - per_candidate,
        query_starts=np.cumsum(sizes[:, 1]) - sizes[:, 1],
        gold=np.concatenate([gold for _, _, gold in taught]),
        any_will_do=np.array([one.query.is_server_level for one, _, _ in taught]),
        weight=weight / weight.sum(),
        mean=mean,
        scale=scale,
    )


def fitted(queries: Sequence[Judged], marks: Sequence[str] = MARKS) -> LearntMix:
    """The weights that make the gold tools of these queries most likely."""
    data = flat(queries, marks)
    weights = np.zeros((2, len(marks), len(CIRCUMSTANCES)))  # whole, clause
    for mark, start in START.items():
        weights[:, marks.index(mark), 0] = start
    mean, spread = np.zeros_like(weights), np.zeros_like(weights)
    for step in range(1, STEPS + 1):
        slope = gradient(data, weights) + 2 * PULL * weights
        mean, spread = 0.9 * mean + 0.1 * slope, 0.99 * spread + 0.01 * slope**2
        pace = RATE * (1 - 0.9 * step / STEPS)
        weights -= pace * (mean / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-8)
    return LearntMix(tuple(marks), weights[0], weights[1], data.mean, data.scale)


def gradient(data: Flat, weights: Array) -> Array:
    """Of the mean over queries of -log(share of each gold tool against it and all that are not gold); where any of
    them will do, of -log(share of all of them).
    """
    trust = np.where(
        data.whole_texts[:, None], data.circumstances @ weights[0].T, data.circumstances @ weights[1].T
    )  # (texts, marks)
    by_row = np.einsum("rm,rm->r", data.marks, trust[data.text_of_row])
    of_clauses = np.where(data.is_whole, -np.inf, by_row)
    best = np.maximum.reduceat(of_clauses, data.candidate_starts)
    scores = by_row[data.candidate_starts] + np.where(np.isfinite(best), best, 0.0)
    slope = _slope(data, scores)
    texts_per_candidate = np.diff(np.append(data.candidate_starts, len(by_row)))
    counts = data.is_whole | (of_clauses == np.repeat(best, texts_per_candidate))
    rows = np.where(counts, np.repeat(slope, texts_per_candidate), 0.0)
    by_text = np.zeros_like(trust)
    np.add.at(by_text, data.text_of_row[rows != 0], (data.marks * rows[:, None])[rows != 0])
    is_whole = data.whole_texts
    return np.stack([by_text[own].T @ data.circumstances[own] for own in (is_whole, ~is_whole)])


def _slope(data: Flat, scores: Array) -> Array:
    """The loss's derivative by each candidate's score."""
    likely = np.exp(scores - data.per_candidate(np.maximum.reduceat(scores, data.query_starts)))
    others = data.per_candidate(np.add.reduceat(np.where(data.gold, 0.0, likely), data.query_starts))
    golden = data.per_candidate(np.add.reduceat(np.where(data.gold, likely, 0.0), data.query_starts))
    golds = np.add.reduceat(data.gold.astype(np.float64), data.query_starts)
    weight = data.per_candidate(data.weight / golds)
    share = np.where(data.gold, likely / (likely + others), 0.0)
    pressed = np.where(data.gold, weight / (likely + others), 0.0)
    pressure = data.per_candidate(np.add.reduceat(pressed, data.query_starts))
    of_each = np.where(data.gold, weight * (share - 1), likely * pressure)
    together = data.per_candidate(data.weight) * likely / (golden + others)
    of_any = np.where(data.gold, -together * others / np.maximum(golden, 1e-12), together)
    slopes: Array = np.where(data.per_candidate(data.any_will_do.astype(np.float64)) > 0, of_any, of_each)
    return slopes


def _gold(one: Judged, tool_ids: Sequence[str]) -> npt.NDArray[np.bool_]:
    if one.query.is_server_level:
        servers = {hit.tool_id: hit.server for hits in one.recall.found.values() for hit in hits}
        return np.array([servers[tool_id] in one.query.gold for tool_id in tool_ids], bool)
    good = {*one.query.gold, *(other for others in one.query.alternatives.values() for other in others)}
    return np.array([tool_id in good for tool_id in tool_ids], bool)
