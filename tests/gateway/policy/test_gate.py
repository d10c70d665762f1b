"""The promotion gate on choices that are drawn: what is let through, and the sentence for what is not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from domain.errors import InvalidInput, PolicyRefused
from domain.trajectories import StepCandidate
from gateway.policy import gate
from gateway.policy.choices import Choice
from gateway.policy.gate import Bench, require_better, require_sound
from policy_client.deciders.embedded import Policy, open_policy
from policy_client.decision import Decision as Decided
from policy_client.decision import Question
from policy_client.ope.choices import Decision
from policy_client.self_test import self_test
from tests.policy.linear_scorer import keep_linear

TOOLS, DRAWN = 4, 0.4


def choices(count: int, wants_last: float, at: float = 1e9) -> list[Choice]:
    """Retrieval's first stands first but in DRAWN of the searches; the agent wants its last, or else its first."""
    chance = np.random.default_rng(5)
    made = []
    for number in range(count):
        place = int(chance.integers(TOOLS)) if chance.random() < DRAWN else 0
        share = DRAWN / TOOLS + (1 - DRAWN) * (place == 0)
        wanted = TOOLS - 1 if chance.random() < wants_last else 0
        found = tuple(StepCandidate(f"room__{n}", 2.0 - n, {"retrieval": 2.0 - n}) for n in range(TOOLS))
        reward, session = float(place == wanted), f"s_{number // 5}"
        decision = Decision("work wood", found, place, share, reward, session=session)
        made.append(Choice(at, session, "", reward, share < DRAWN, decision, {}))
    return made


@pytest.fixture
def contrary(tmp_path: Path) -> Policy:
    """Turns retrieval's order round."""
    return open_policy(keep_linear(tmp_path / "contrary", {"retrieval": -1.0}))


def bench(found: Sequence[Choice], standing: Policy | None = None) -> Bench:
    return Bench(found, standing, {}, "acme")


def test_a_better_policy_passes_and_its_interval_covers_what_it_is_worth(contrary: Policy) -> None:
    evidence = require_better(contrary, bench(choices(4000, wants_last=0.7)))

    estimates = evidence["estimates"]
    assert estimates["policy"]["low"] < 0.7 < estimates["policy"]["high"]
    assert estimates["baseline"]["low"] < 0.3 < estimates["baseline"]["high"]
    assert estimates["difference"]["low"] > 0
    assert evidence["effective_sample_size"] > evidence["floor"]


def test_a_worse_policy_is_refused_with_both_numbers(contrary: Policy) -> None:
    with pytest.raises(PolicyRefused, match=r"earns -0\.\d+ \[-0\.\d+, -0\.\d+\] more than retrieval"):
        require_better(contrary, bench(choices(4000, wants_last=0.2)))


def test_a_policy_is_compared_with_the_one_that_decides_now(contrary: Policy) -> None:
    with pytest.raises(PolicyRefused, match="more than scorer:"):
        require_better(contrary, bench(choices(4000, wants_last=0.7), contrary))


def test_too_few_searches_of_the_policy_s_own_are_refused(contrary: Policy) -> None:
    with pytest.raises(PolicyRefused, match="below the floor of 100"):
        require_better(contrary, bench(choices(300, wants_last=0.7)))


def test_searches_that_drew_nothing_are_no_evidence(contrary: Policy) -> None:
    found = [replace(one, decision=None) for one in choices(300, wants_last=0.7)]

    with pytest.raises(PolicyRefused, match="--first-place"):
        require_better(contrary, bench(found))


def test_a_policy_that_learnt_from_a_log_is_judged_by_what_came_afterwards_alone(tmp_path: Path) -> None:
    made_at = "2026-06-01T00:00:00+00:00"
    learnt = open_policy(keep_linear(tmp_path / "learnt", {"retrieval": -1.0}, data="f" * 64, made_at=made_at))

    with pytest.raises(PolicyRefused, match="since this policy was trained"):
        require_better(learnt, bench(choices(4000, wants_last=0.7, at=1e9)))
    assert require_better(learnt, bench(choices(4000, wants_last=0.7, at=2e9)))["searches"] == 4000


def test_a_manifest_that_names_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyRefused, match="what it was trained on"):
        require_sound(open_policy(keep_linear(tmp_path / "p", {}, data="")))


class Odd:
    """Fits the port; what it does depends on what it should not look at."""

    def __init__(self, inner: Policy, *, seconds: float = 0.0) -> None:
        self.manifest = inner.manifest
        self._inner = inner
        self._seconds = seconds

    def decide(self, questions: Sequence[Question], backend: str) -> list[Decided]:
        if self._seconds:
            time.sleep(self._seconds)
            return self._inner.decide(questions, backend)
        shuffled = [
            replace(
                one, options=tuple(replace(option, features={"retrieval": n}) for n, option in enumerate(one.options))
            )
            for one in questions
        ]
        return self._inner.decide(shuffled, backend)


def test_a_policy_that_looks_at_the_order_of_the_tools_fails_its_self_test(contrary: Policy) -> None:
    with pytest.raises(InvalidInput, match="another order"):
        self_test(Odd(contrary))


def test_a_policy_that_answers_with_numbers_that_are_none_fails_its_self_test(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="numbers that are none"):
        self_test(open_policy(keep_linear(tmp_path / "p", {"retrieval": float("nan")})))


def test_a_slow_policy_is_refused_and_told_where_it_could_run(
    contrary: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "SLOWEST_S", 0.001)

    with pytest.raises(PolicyRefused, match="toolcrib rl serve"):
        require_sound(Odd(contrary, seconds=0.002))
