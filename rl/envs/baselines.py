"""Agents that learn nothing: what a policy has to beat (literature.md, section 3, item 8).

Those that look at one column call its best candidate while a tool still seems to be needed, prefer what has not failed
here, and answer when nothing is needed or the budget is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from policy_client.scorer_features import CANDIDATE, CONTEXT
from rl.envs.simulate import ANSWER, FIRST_CALL, SEARCH, Episodes, Floats, Ints, View

Agent = Callable[[Episodes, View], Ints]

_NEED, _USEFUL, _CALLS = CONTEXT.index("need"), CONTEXT.index("last_useful"), CONTEXT.index("calls")
_CALLED = CANDIDATE.index("called")
_TRIED = 100.0  # a candidate tried here comes behind every other


def never_call(_episodes: Episodes, view: View) -> Ints:
    return np.full(len(view.context), ANSWER)


def always_call(_episodes: Episodes, view: View) -> Ints:
    """The best by retrieval, whatever is needed, until something seems to help; then answer."""
    done = (view.context[:, _USEFUL] > 0) & (view.context[:, _CALLS] > 0)
    return _best(view, _column(view, "retrieval"), done)


def retrieval_first(_episodes: Episodes, view: View) -> Ints:
    return _while_needed(view, "retrieval")


def graph_only(_episodes: Episodes, view: View) -> Ints:
    return _while_needed(view, "graph")


def case_only(_episodes: Episodes, view: View) -> Ints:
    return _while_needed(view, "case")


def oracle_tools(episodes: Episodes, view: View) -> Ints:
    """Knows which tool is right, not whether one is needed (paper 42): searches while it is not there."""
    right = episodes.right & view.there
    scores = np.where(right, 1.0, 0.0).astype(np.float32)
    actions = _best(view, scores, view.context[:, _NEED] < 0, tried=0.0)
    searching = (actions >= FIRST_CALL) & ~right.any(axis=1)
    return np.where(searching, SEARCH, actions)


BASELINES: Mapping[str, Agent] = {
    "never call": never_call,
    "always call": always_call,
    "retrieval top-1": retrieval_first,
    "graph only": graph_only,
    "case only": case_only,
}


def _while_needed(view: View, name: str) -> Ints:
    return _best(view, _column(view, name), view.context[:, _NEED] < 0)


def _best(view: View, scores: Floats, answering: np.ndarray, tried: float = _TRIED) -> Ints:
    calls = view.allowed[:, FIRST_CALL : FIRST_CALL + scores.shape[1]]
    ranked = np.where(calls, scores - tried * view.candidates[:, :, _CALLED], -np.inf)
    actions: Ints = np.where(answering | ~calls.any(axis=1), ANSWER, FIRST_CALL + ranked.argmax(axis=1))
    return actions


def _column(view: View, name: str) -> Floats:
    return view.candidates[:, :, CANDIDATE.index(name)]
