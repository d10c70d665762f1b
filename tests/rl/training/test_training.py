"""Training, small: it learns, it repeats itself, and it refuses what it cannot learn from before it begins."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from domain.errors import InvalidInput
from domain.trajectories import Step, StepKind
from policy_client.artefact import verified
from rl.cli import app
from rl.data.scorer_steps import returns, scorer_steps
from rl.envs.baselines import case_only
from rl.envs.family import Instance
from rl.envs.logging import logged
from rl.envs.play import play
from rl.policies.scorer import Scorer, Shape
from rl.rewards.from_log import episodes
from rl.rewards.presets import PRESETS
from rl.training import offline, on_policy
from rl.training.collecting import collect, greedy
from rl.training.losses import Clip, clipped_policy_gradient, direct_preference, self_imitation
from rl.training.settings import with_settings
from tests.rl.logs import written

EASY = Instance(failure_rate=0.02, price=0.01, distractors=1, catalogue=30, drift=0.0)
SMALL = Shape(24)


@pytest.fixture(scope="module")
def log() -> list[Step]:
    return list(logged(case_only, EASY, episodes=400, explore=0.5, seed=1))


def data_of(log: list[Step]) -> offline.Data:
    steps, played = scorer_steps(log), episodes(log)
    vector = PRESETS["hdpo"]([played[name] for name in steps.sessions])
    return offline.Data(steps, vector, tuple(played[name].task for name in steps.sessions))


def test_rounds_of_rolling_out_make_it_worth_more() -> None:
    options = on_policy.OnPolicy(rounds=20, tasks=16, rollouts=8, rooms=4, shape=SMALL, imitation=0.1)
    curve: list[float] = []
    trained = on_policy.train(options, lambda progress: curve.append(progress.utility))
    untrained = Scorer(SMALL).eval()
    before, after = (play(greedy(one), EASY, episodes=400, seed=4).utility.mean() for one in (untrained, trained))
    assert len(curve) == 20
    assert after > before + 0.1


def test_equal_options_train_equal_policies() -> None:
    options = on_policy.OnPolicy(rounds=2, tasks=4, rollouts=4, rooms=2, shape=SMALL)
    first, second = (on_policy.train(options).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_training_on_a_log_makes_what_did_well_likelier(log: list[Step]) -> None:
    data = data_of(log)
    trained = offline.train(data, offline.Offline(epochs=10, minibatch=128, shape=SMALL, held_back=0.0))
    advantage = offline.advantages(data, "loo")
    likely = log_likelihoods(trained, data) - log_likelihoods(Scorer(SMALL).eval(), data)
    assert likely[advantage > 0.5].mean() > likely[advantage < -0.5].mean() + 0.1


def log_likelihoods(scorer: Scorer, data: offline.Data) -> np.ndarray:
    tensors = offline._tensors(data.steps)
    with torch.inference_mode():
        logits = offline._logits(scorer, tensors, torch.arange(len(data.steps)))
        found: np.ndarray = torch.log_softmax(logits, dim=-1).gather(1, tensors["action"][:, None])[:, 0].numpy()
    return found


def test_what_is_logged_is_what_was_played(log: list[Step]) -> None:
    steps = scorer_steps(log)
    assert len(steps.sessions) == 400
    assert set(np.unique(steps.there.sum(axis=1))) <= set(range(13))
    judged = [step for step in log if step.kind is StepKind.FEEDBACK]
    assert 0 < sum(step.action["success"] for step in judged) < len(judged) == 400
    assert all(step.propensity is not None and 0 < step.propensity <= 1 for step in log if step not in judged)


def test_rollouts_name_each_step_once_and_reward_the_declared_utility() -> None:
    batch, rollouts = collect(Scorer(SMALL), EASY, np.random.default_rng(0), tasks=3, rollouts=2)
    assert len(batch) == rollouts.there.sum() == len(np.unique(rollouts.nodes[rollouts.there]))
    assert (rollouts.group == [0, 0, 1, 1, 2, 2]).all()


def test_the_clip_takes_no_more_from_a_step_than_its_bounds() -> None:
    behaviour = torch.zeros(2)
    log_prob = torch.tensor([2.0, -2.0], requires_grad=True)
    clipped_policy_gradient(log_prob, behaviour, torch.tensor([1.0, -1.0]), Clip()).backward()
    assert log_prob.grad is not None
    assert log_prob.grad.tolist() == [0.0, 0.0]


def test_with_equal_policies_the_clipped_loss_is_the_mean_advantage() -> None:
    log_prob = torch.tensor([-1.0, -2.0])
    loss = clipped_policy_gradient(log_prob, log_prob, torch.tensor([3.0, -1.0]), Clip())
    assert float(loss) == pytest.approx(-1.0)


def test_a_preference_that_is_no_different_from_the_reference_costs_log_two() -> None:
    same = torch.tensor([-1.0])
    assert float(direct_preference(same, same, same, same)) == pytest.approx(math.log(2))
    assert float(direct_preference(same + 9, same - 9, same, same)) < math.log(2)


def test_bad_replays_are_not_imitated() -> None:
    assert float(self_imitation(torch.tensor([-1.0, -5.0]), torch.tensor([2.0, -3.0]))) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("given", "said"),
    [("speed=1", "no setting 'speed'"), ("epochs=many", "takes a number"), ("epochs", "takes a number")],
)
def test_settings_that_are_none_are_refused(given: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        with_settings(offline.Offline(), [given])


def test_one_rollout_of_a_task_is_nothing_to_compare() -> None:
    with pytest.raises(InvalidInput, match="two rollouts"):
        on_policy.train(on_policy.OnPolicy(rollouts=1))


def test_sessions_without_a_judgement_and_steps_without_a_propensity_are_refused(log: list[Step]) -> None:
    steps = scorer_steps(log)
    with pytest.raises(InvalidInput, match="400 of 400 sessions were not judged"):
        returns(steps, {})
    with pytest.raises(InvalidInput, match="not a finite number"):
        returns(steps, dict.fromkeys(steps.sessions, math.nan))
    with pytest.raises(InvalidInput, match="has no propensity"):
        scorer_steps([replace(log[0], propensity=None)])
    with pytest.raises(InvalidInput, match="the same action"):
        scorer_steps([step for step in log if step.kind is StepKind.ANSWER and not step.action][:5])


def run(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_command_trains_on_a_log_keeps_a_policy_and_goes_on_with_it(log: list[Step], tmp_path: Path) -> None:
    file, out = written(tmp_path / "log.jsonl", log), tmp_path / "policy"
    arguments = ("train", "--log", str(file), "--out", str(out), "--set", "epochs=1", "--json")
    made = run(*arguments)
    assert made["kind"] == "scorer"
    assert made["options"]["epochs"] == 1
    assert verified(out)[1].data == made["data"]
    assert list((out / "curves").iterdir())
    assert run(*arguments, "--resume")["model_sha256"] != made["model_sha256"]


def test_the_command_trains_in_simulated_rooms(tmp_path: Path) -> None:
    quick = ("--set", "rounds=2", "--set", "tasks=4", "--set", "rollouts=4", "--set", "rooms=2")
    made = run("train", "--out", str(tmp_path), *quick, "--json")
    assert {"utility", "held_out_utility"} <= set(made["metrics"])


def test_a_broken_log_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("{")
    with pytest.raises(InvalidInput, match="line 1"):
        CliRunner().invoke(app, ["train", "--log", str(tmp_path / "log.jsonl"), "--out", str(tmp_path / "p")],
                           catch_exceptions=False)  # fmt: skip
    assert not (tmp_path / "p").exists()
