"""Pairs of siblings for the scorer, and DPO on them; self-imitation on a log."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from domain.errors import InvalidInput
from domain.trajectories import Step
from rl.cli import app
from rl.data.scorer_pairs import sibling_pairs
from rl.data.scorer_steps import ScorerSteps, scorer_steps
from rl.envs.baselines import case_only
from rl.envs.family import Instance
from rl.envs.logging import logged
from rl.policies.scorer import Scorer, Shape
from rl.rewards.from_log import episodes
from rl.training.offline import Offline
from rl.training.pairs import right_share, train_on_pairs
from tests.rl.logs import written

EASY = Instance(failure_rate=0.02, price=0.01, distractors=1, catalogue=30, drift=0.0)
OPTIONS = Offline(epochs=20, minibatch=128, shape=Shape(24))


@pytest.fixture(scope="module")
def log() -> list[Step]:
    """Every task twelve times: its first steps are siblings."""
    return list(logged(case_only, EASY, episodes=2400, explore=0.7, seed=1, rollouts=12))


def successes(log: list[Step], steps: ScorerSteps) -> np.ndarray:
    played = episodes(log)
    return np.array([math.nan if (won := played[name].success) is None else float(won) for name in steps.sessions])


def test_pairs_never_mix_states_and_never_contradict_a_judgement(log: list[Step]) -> None:
    steps = scorer_steps(log)
    success = successes(log, steps)
    made = sibling_pairs(steps, success)
    assert len(made) > 100
    for row, chosen, rejected in made[:: max(1, len(made) // 40)]:
        alike = (steps.candidates == steps.candidates[row]).all(axis=(1, 2)) & (
            steps.context == steps.context[row]
        ).all(axis=1)
        led = {action: success[steps.session[alike & (steps.action == action)]] for action in (chosen, rejected)}
        assert led[chosen].min() == 1.0
        assert led[rejected].max() == 0.0


def test_dpo_puts_what_helped_first_in_sessions_it_has_not_seen(log: list[Step]) -> None:
    steps = scorer_steps(log)
    made = sibling_pairs(steps, successes(log, steps))
    curve: list[float] = []
    trained = train_on_pairs(steps, made, OPTIONS, lambda epoch: curve.append(epoch.value))
    other = list(logged(case_only, EASY, episodes=1200, explore=0.7, seed=2, rollouts=12))
    unseen = scorer_steps(other)
    pairs = torch.from_numpy(sibling_pairs(unseen, successes(other, unseen)))
    untrained = right_share(Scorer(OPTIONS.shape).eval(), unseen, pairs)
    assert len(curve) == OPTIONS.epochs
    assert right_share(trained, unseen, pairs) > untrained + 0.1  # chance decides much of what follows a first step


def test_a_log_whose_tasks_came_once_has_no_pairs_and_says_what_to_do() -> None:
    once = list(logged(case_only, EASY, episodes=40, explore=0.5, seed=3))
    steps = scorer_steps(once)
    with pytest.raises(InvalidInput, match="method=gradient"):
        sibling_pairs(steps, successes(once, steps))
    nobody = np.full(len(steps.sessions), math.nan)
    with pytest.raises(InvalidInput, match="no pairs"):
        sibling_pairs(steps, nobody)


@pytest.mark.parametrize("setting", ["method=dpo", "imitation=0.1"])
def test_the_command_trains_by_pairs_and_with_imitation(log: list[Step], tmp_path: Path, setting: str) -> None:
    file = written(tmp_path / "log.jsonl", log)
    out = str(tmp_path / "policy")
    done = CliRunner().invoke(
        app, ["train", "--log", str(file), "--out", out, "--set", "epochs=2", "--set", setting, "--json"]
    )
    assert done.exit_code == 0, done.output
    name, value = setting.split("=")
    assert str(json.loads(done.stdout)["options"][name]) == value


def test_a_way_of_training_that_is_none_is_refused(log: list[Step], tmp_path: Path) -> None:
    file = written(tmp_path / "log.jsonl", log)
    arguments = ["train", "--log", str(file), "--out", str(tmp_path / "p"), "--set", "method=ppo"]
    with pytest.raises(InvalidInput, match="by gradient or dpo"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
