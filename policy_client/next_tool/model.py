"""The predictor: statistics of past sessions, and how much each kind of evidence is to be trusted."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Self

import numpy as np

from domain.errors import InvalidInput
from policy_client.next_tool.conditional_logit import Choice, fit
from policy_client.next_tool.features import NAMES, SCHEMA, features
from policy_client.next_tool.situation import Example, Floats, Sessions, Situation, ToolTable
from policy_client.next_tool.statistics import Statistics

RIDGE = 3.0
"""How firmly weights hold to the prior. Of 0.3, 1, 3 and 10 by cross-validation on tau2's and api-bank's train splits;
the context's width of .03, .06, .1 and .2 likewise.
"""

FOLDS = 8
_ALTERNATIVES = 200
_PER_KIND = 40


class NextTool:
    """`rank` orders all tools. Weights without statistics are the prior; statistics without weights mean nothing."""

    def __init__(self, tools: ToolTable, statistics: Statistics, weights: Floats) -> None:
        if weights.shape != (len(NAMES),):
            raise InvalidInput(f"A next-tool model of {SCHEMA} has {len(NAMES)} weights, not {weights.shape}.")
        self._tools = tools
        self._statistics = statistics
        self.weights = weights

    @classmethod
    def prior(cls, tools: ToolTable) -> Self:
        """What is known before any session was seen: the shipped weights, on text and history alone."""
        return cls(tools, Statistics((), tools), shipped_weights())

    @classmethod
    def fit(cls, sessions: Sessions, tools: ToolTable, start: Floats | None = None, *, ridge: float = RIDGE) -> Self:
        """Learn from sessions. The weights are fitted on statistics that had not seen the session they predict."""
        start = shipped_weights() if start is None else start
        return cls(tools, Statistics(sessions, tools), fit(choices(sessions, tools), start, ridge))

    def scores(self, situation: Situation) -> Floats:
        """One per tool, the higher the likelier; their softmax is the model's probability."""
        return features(self._statistics, self._tools, situation) @ self.weights

    def rank(self, situation: Situation) -> list[int]:
        """Tools, the likeliest first; equal ones by their number."""
        return [int(tool) for tool in np.argsort(-self.scores(situation), kind="stable")]


def choices(sessions: Sessions, tools: ToolTable, folds: int = FOLDS) -> list[Choice]:
    """What followed in every session that had begun, each under the statistics of the other folds."""
    folds = min(folds, max(len(sessions), 1))
    made = []
    for fold in range(folds):
        others = [session for number, session in enumerate(sessions) if number % folds != fold]
        statistics = Statistics(others, tools)
        held_out = [session for number, session in enumerate(sessions) if number % folds == fold]
        made += [_choice(statistics, tools, example) for session in held_out for example in session[1:]]
    return made


@cache
def shipped_weights() -> Floats:
    """Fitted on the train and dev splits of four public sets of sessions (benchmarks/learn_next_tool.py)."""
    text = resources.files("policy_client").joinpath("data", "next_tool.json").read_text(encoding="utf-8")
    shipped = json.loads(text)
    if (shipped["schema"], tuple(shipped["weights"])) != (SCHEMA, NAMES):
        raise InvalidInput(f"The shipped next-tool weights are of {shipped['schema']}, not of {SCHEMA}; reinstall.")
    return np.array(list(shipped["weights"].values()), dtype=np.float64)


def _choice(statistics: Statistics, tools: ToolTable, example: Example) -> Choice:
    """All tools as alternatives; of a large catalogue those that any evidence puts first, and some at random."""
    rows = features(statistics, tools, example.situation)
    if len(tools) <= _ALTERNATIVES:
        return Choice(rows, example.tool)
    dice = np.random.default_rng(example.tool)
    leading = [np.argsort(-rows[:, NAMES.index(name)], kind="stable")[:_PER_KIND] for name in _LEADING]
    kept = np.unique(np.concatenate([*leading, dice.choice(len(tools), _PER_KIND), [example.tool]]))
    return Choice(rows[kept], int(np.searchsorted(kept, example.tool)))


_LEADING = ("retrieval", "similarity", "edge_context", "like_last")
