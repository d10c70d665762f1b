"""The reward model and the intervals that leave parts of the log out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from domain.errors import InvalidInput
from domain.trajectories import StepCandidate
from policy_client.ope.choices import Decision, Probabilities
from policy_client.ope.estimators import doubly_robust, shrunk_dr
from policy_client.ope.evidence import FOLDS, WIDTHS, Vectors, evidence
from policy_client.ope.jackknife import jackknifed
from policy_client.ope.reward_model import RewardModels

TOOLS = tuple(StepCandidate(name, 1.0 - number / 10) for number, name in enumerate("abc"))
KINDS = np.eye(3, dtype=np.float32)
"""Of every kind of query another tool is right."""


def a_log(count: int, seed: int = 0) -> tuple[list[Decision], list[Probabilities], dict[str, Vectors]]:
    """A log that chose blindly, a policy that always knows, and the vectors of the queries."""
    dice = np.random.default_rng(seed)
    found, likely, vectors = [], [], {}
    for number in range(count):
        kind, chosen = int(dice.integers(3)), int(dice.choice(3, p=(0.6, 0.3, 0.1)))
        query = f"{number} of kind {kind}"
        vectors[query] = KINDS[kind]
        found.append(Decision(query, TOOLS, chosen, (0.6, 0.3, 0.1)[chosen], float(chosen == kind)))
        likely.append(np.eye(3)[0])  # the policy chooses the first, which is right in a third of the cases
    return found, likely, vectors


def test_what_was_chosen_near_a_query_tells_which_choice_is_right() -> None:
    found, likely, vectors = a_log(1500)
    blind = RewardModels.of(found, likely).logged()
    seeing = RewardModels.of(found, likely, vectors).logged()
    right = np.array([float(vectors[one.query][0]) for one in found])
    assert np.mean((seeing.value - right) ** 2) < 0.1 * np.mean((blind.value - right) ** 2)
    assert doubly_robust(seeing).high - doubly_robust(seeing).low < doubly_robust(blind).high - doubly_robust(blind).low


def test_a_decision_is_judged_without_what_its_own_session_showed() -> None:
    """Turning one session's reward over changes nothing of what is expected in that session."""
    found, likely, vectors = a_log(400)
    turned = [replace(one, reward=1 - (one.reward or 0.0)) if number == 7 else one for number, one in enumerate(found)]
    before, after = (RewardModels.of(log, likely, vectors) for log in (found, turned))
    fold = before.evidence.fold[7]
    same = before.evidence.fold == fold
    assert np.allclose(before.logged().value[same], after.logged().value[same])
    assert not np.allclose(before.logged().value[~same], after.logged().value[~same])


def test_leaving_folds_out_equals_never_having_had_them() -> None:
    found, likely, vectors = a_log(300)
    made = evidence(found, likely, vectors)
    gone = {int(made.fold[0]), (int(made.fold[0]) + 1) % FOLDS}
    kept = np.flatnonzero(~np.isin(made.fold, list(gone)))
    rows = made.rows(made.pairs.logged[kept], gone)
    for row, number in zip(rows, kept, strict=True):
        others = [at for at in kept if made.fold[at] != made.fold[number]]
        won = [sum(float(np.exp((vectors[found[at].query] @ vectors[found[number].query] - 1) / width))
                   for at in others if found[at].reward and found[at].chosen == found[number].chosen)
               for width in WIDTHS]  # fmt: skip
        any_won = [sum(float(np.exp((vectors[found[at].query] @ vectors[found[number].query] - 1) / width))
                       for at in others if found[at].reward) + 1e-3 for width in WIDTHS]  # fmt: skip
        assert np.allclose(row[-len(WIDTHS) :], np.array(won) / np.array(any_won), atol=1e-3)


def test_intervals_that_leave_tenths_out_cover_the_truth() -> None:
    covered = []
    for seed in range(60):
        found, likely, _ = a_log(300, seed)
        covered.append(jackknifed({"dros": shrunk_dr}, RewardModels.of(found, likely))["dros"].covers(1 / 3))
    assert np.mean(covered) >= 0.88


def test_a_log_of_one_session_has_no_interval() -> None:
    found, likely, _ = a_log(20)
    with pytest.raises(InvalidInput, match="more than one session"):
        jackknifed({"dros": shrunk_dr}, RewardModels.of([replace(one, session="s") for one in found], likely))
