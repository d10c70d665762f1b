"""From logged choices to a retrieval adapter: the direct method for a contextual bandit.

Every decision's reward becomes evidence in a case bank (paper 38: case memory with learned retrieval, one step, where
the released code too is a two-class cross-entropy); then a logistic regression learns how far which evidence is to be
trusted, each decision judged without the evidence of its own query. The policy is greedy in the expected reward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from index.adapter.adapter import Adapter
from index.adapter.evidence import CaseBank, Floats, Numbers, Vectors, features
from policy_client.logistic_regression import logistic_regression
from policy_client.ope.choices import Decision
from rl.data.checks import require_decisions, require_propensities, require_rewards

MOST_ROWS = 42_000
"""Decisions that the weights are fitted on; the case bank takes all."""

MOST_WEIGHT = 20.0
"""Bound of 1 / propensity: beyond it one lucky choice would outweigh everything near it."""

RIDGE = 1.0
_BLOCK = 250


def fit_adapter(
    found: Sequence[Decision], vectors: Mapping[str, Vectors], embedder: str, facts: Mapping[str, Any] | None = None
) -> Adapter:
    """`vectors`: unit vector by query. Raises InvalidInput for decisions that nothing can be learnt from."""
    require_decisions(found)
    require_propensities(found)
    require_rewards([decision.reward for decision in found])
    queries = list(dict.fromkeys(decision.query for decision in found))
    tools = sorted({decision.tool_id for decision in found})
    query_of = {query: number for number, query in enumerate(queries)}
    tool_of = {tool_id: number for number, tool_id in enumerate(tools)}
    bank = CaseBank(np.stack([vectors[query] for query in queries]), _outcomes(found, query_of, tool_of))
    rows, rewards = _rows(found, bank, query_of, tool_of)
    return Adapter(tuple(tools), bank, logistic_regression(rows, rewards, ridge=RIDGE), embedder, dict(facts or {}))


def _outcomes(found: Sequence[Decision], query_of: Mapping[str, int], tool_of: Mapping[str, int]) -> Vectors:
    outcomes = np.zeros((len(query_of), len(tool_of), 4), dtype=np.float32)
    for decision in found:
        reward, weight = float(decision.reward or 0.0), min(1 / float(decision.propensity or 1.0), MOST_WEIGHT)
        outcomes[query_of[decision.query], tool_of[decision.tool_id]] += (
            reward, 1 - reward, reward * weight, (1 - reward) * weight,
        )  # fmt: skip
    return outcomes


def _rows(
    found: Sequence[Decision], bank: CaseBank, query_of: Mapping[str, int], tool_of: Mapping[str, int]
) -> tuple[Floats, Floats]:
    """What was known of each chosen tool, but for its own query's outcomes; decisions drawn query by query."""
    of_query: dict[int, list[Decision]] = {}
    for decision in found:
        of_query.setdefault(query_of[decision.query], []).append(decision)
    order = np.random.default_rng(0).permutation(len(query_of))
    order = order[: max(1, MOST_ROWS * len(order) // max(len(found), MOST_ROWS))]
    rows, rewards, chosen = [], [], bank.chosen
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        for query, near in zip(block, bank.near(bank.queries[block], block), strict=True):
            for decision in of_query[int(query)]:
                rows.append(_row(decision, tool_of, near, chosen))
                rewards.append(float(decision.reward or 0.0))
    return np.stack(rows), np.array(rewards)


def _row(decision: Decision, tool_of: Mapping[str, int], near: Vectors, chosen: Floats) -> Floats:
    scores = np.array([candidate.score for candidate in decision.candidates])
    numbers: Numbers = np.array([tool_of.get(candidate.tool_id, 0) for candidate in decision.candidates])
    return np.asarray(features(scores, numbers, near, chosen)[decision.chosen])
