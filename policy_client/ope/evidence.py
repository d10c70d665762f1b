"""What a reward model may look at, summed up fold by fold, so that leaving folds out is leaving out terms of a sum.

A pair is a decision and one of its candidates that counts for an estimate: the one that was logged, and those that the
evaluated policy may choose. What was chosen near a decision's query, and how that turned out, is evidence for and
against the pair's tool (case memory, paper 38): another decision counts with exp((cosine - 1) / width).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from domain.canonical import sha256_hex
from policy_client.ope.choices import Decision, Probabilities

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]

FOLDS = 10
WIDTHS = (0.12, 0.06, 0.03)
"""Each half of the one before it."""

_PRIOR = 5.0  # decisions that a tool's mean reward is shrunk towards the general mean by
_RATE, _COUNT = 0.3, 0.05  # what is thought of a tool that nobody chose near a query
_LEAST = 1e-3
_BLOCK = 2000


@dataclass(frozen=True, slots=True)
class Pairs:
    """`of`: the decision of each pair; `logged`: of each decision the pair that was chosen; `tool`: its number;
    `shown`: what the candidate shows, shape (pairs, 8); `likely`: the evaluated policy's probability of it.
    """

    of: Numbers
    logged: Numbers
    tool: Numbers
    shown: Floats
    likely: Floats


@dataclass(frozen=True, slots=True)
class Evidence:
    """`fold`, `reward`, `propensity`: shape (decisions,). `tools`: won and lost of every tool, shape (folds, tools, 2).
    `near`: won and lost of the pair's tool and won by any tool, shape (folds, pairs, widths, 3); without a width where
    nobody knows the queries' vectors; `near_all`: their sum over the folds.
    """

    pairs: Pairs
    fold: Numbers
    reward: Floats
    propensity: Floats
    tools: Floats
    near: Vectors
    near_all: Vectors

    def rows(self, which: Numbers, without: Collection[int]) -> Floats:
        """Features of some pairs, each from all folds but its own and those, shape (which, features)."""
        own = self.fold[self.pairs.of[which]]
        others = ~np.isin(own, list(without))
        of_tools = np.delete(self.tools, list(without), axis=0).sum(axis=0)
        tool = self.pairs.tool[which]
        won, lost = (of_tools[tool] - self.tools[own, tool] * others[:, None]).T
        all_won, all_lost = (of_tools.sum(axis=0) - self.tools.sum(axis=1)[own] * others[:, None]).T
        mean = (all_won + 0.5) / (all_won + all_lost + 1.0)
        of_tool = (won + _PRIOR * mean) / (won + lost + _PRIOR) - mean
        columns = [self.pairs.shown[which], of_tool[:, None]]
        if self.near.shape[2]:
            columns.append(_of_near(self._sums(which, own, others, without)))
        return np.column_stack(columns)

    def _sums(self, which: Numbers, own: Numbers, others: npt.NDArray[np.bool_], without: Collection[int]) -> Floats:
        """Of `near` over the folds that count; a sum less what does not, so a hair below 0 is 0."""
        sums = self.near_all[which] - self.near[own, which] * others[:, None, None]
        for fold in without:
            sums -= self.near[fold, which]
        return np.asarray(np.maximum(sums, 0.0), dtype=np.float64)


def evidence(
    found: Sequence[Decision], probabilities: Sequence[Probabilities], vectors: Mapping[str, Vectors] | None = None
) -> Evidence:
    """`probabilities`: of the evaluated policy, per decision one of each candidate. `vectors`: unit vector by query."""
    fold = np.array([_fold(number, decision) for number, decision in enumerate(found)], dtype=np.int64)
    tools = {tool: number for number, tool in enumerate(sorted({c.tool_id for d in found for c in d.candidates}))}
    pairs = _pairs(found, probabilities, tools)
    reward = np.array([decision.reward for decision in found], dtype=float)
    outcomes = np.stack([reward, 1 - reward], axis=1)
    by_fold = np.zeros((FOLDS, len(tools), 2))
    np.add.at(by_fold, (fold, pairs.tool[pairs.logged]), outcomes)
    near = np.zeros((FOLDS, len(pairs.of), 0, 3), dtype=np.float32)
    if vectors is not None:
        near = _near(np.stack([vectors[d.query] for d in found]), outcomes.astype(np.float32), pairs, fold)
    propensity = np.array([decision.propensity for decision in found], dtype=float)
    return Evidence(pairs, fold, reward, propensity, by_fold, near, near.sum(axis=0))


def _pairs(found: Sequence[Decision], probabilities: Sequence[Probabilities], tools: Mapping[str, int]) -> Pairs:
    of: list[int] = []
    logged, tool, shown, likely = [], [], [], []
    for number, (decision, chances) in enumerate(zip(found, probabilities, strict=True)):
        counted = np.flatnonzero(chances > 0)
        places = np.union1d(counted, [decision.chosen])
        logged.append(len(of) + int(np.searchsorted(places, decision.chosen)))
        of += [number] * len(places)
        tool += [tools[decision.candidates[place].tool_id] for place in places]
        shown.append(_shown(decision, chances)[places])
        likely.append(chances[places])
    return Pairs(
        np.array(of), np.array(logged), np.array(tool), np.concatenate(shown), np.concatenate(likely, dtype=float)
    )


def _shown(decision: Decision, likely: Probabilities) -> Floats:
    """Shape (candidates, 8): 1, score, lead over the best other, 1 / rank; the policy's probability by itself and times
    score, lead and 1 / rank.
    """
    scores = np.array([candidate.score for candidate in decision.candidates])
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(1, len(scores) + 1)
    best = np.sort(scores)[-2:]
    lead = scores - np.where(scores == best[-1], best[0], best[-1])
    columns = (scores, lead, 1 / ranks)
    return np.column_stack([np.ones_like(scores), *columns, likely, *(likely * column for column in columns)])


def _near(queries: Vectors, outcomes: Vectors, pairs: Pairs, fold: Numbers) -> Vectors:
    """Tool by tool: of all decisions only those that chose the pair's own tool are looked at."""
    chosen = pairs.tool[pairs.logged]
    of_fold = np.zeros((len(fold), FOLDS), dtype=np.float32)
    of_fold[np.arange(len(fold)), fold] = 1.0
    sums = np.zeros((FOLDS, len(pairs.of), len(WIDTHS), 3), dtype=np.float32)
    for tool in np.unique(chosen):
        cases, asked = np.flatnonzero(chosen == tool), np.flatnonzero(pairs.tool == tool)
        counted = np.concatenate([of_fold[cases] * outcomes[cases, None, kind] for kind in (0, 1)], axis=1)
        for place, found in enumerate(_weighed(queries[pairs.of[asked]], queries[cases], counted)):
            won, lost = np.split(found, 2, axis=1)
            sums[:, asked, place, 0], sums[:, asked, place, 1] = won.T, lost.T
    won_any = np.flatnonzero(outcomes[:, 0] > 0)
    totals = _weighed(queries, queries[won_any], of_fold[won_any] * outcomes[won_any, :1])
    for place, found in enumerate(totals):
        sums[:, :, place, 2] = found[pairs.of].T
    return sums


def _weighed(asked: Vectors, cases: Vectors, counted: Vectors) -> list[Vectors]:
    """Per width the sum of what is counted of the cases, each times its nearness, shape (asked, columns). Block by
    block: the similarities of 10,000 queries with each other are 400 MB.
    """
    found = [np.zeros((len(asked), counted.shape[1]), dtype=np.float32) for _ in WIDTHS]
    for start in range(0, len(asked), _BLOCK):
        nearness = np.exp((asked[start : start + _BLOCK] @ cases.T - 1.0) / np.float32(WIDTHS[0]))
        for sums in found:
            sums[start : start + _BLOCK] = nearness @ counted
            nearness *= nearness  # the next width is half of this one
    return found


def _of_near(sums: Floats) -> Floats:
    """Per width: log-odds of success near the query, log share of all successes there, and the share."""
    won, lost, by_any = sums[:, :, 0], sums[:, :, 1], sums[:, :, 2] + _LEAST
    rate = (won + _COUNT * _RATE) / (won + lost + _COUNT)
    return np.concatenate([np.log(rate / (1 - rate)), np.log((won + _LEAST * by_any) / by_any), won / by_any], axis=1)


def _fold(number: int, decision: Decision) -> int:
    """By session, so that nothing is judged with what its own session showed."""
    return int(sha256_hex(decision.session or str(number))[:8], 16) % FOLDS
