"""`toolcrib rl evaluate` from the file to the estimate."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from domain.errors import InvalidInput
from domain.trajectories import Step
from gateway.cli.main import main
from gateway.cli.rl import app as rl
from policy_client.ope.reward_model import RewardModels
from rl.cli import app
from rl.data.decisions import decisions
from rl.ope.command import evaluate_log
from tests.rl.logs import TOOLS, a_choice, a_judgement, written

WORTH = {"a": 0.8, "b": 0.4, "c": 0.1}


def a_log(count: int = 4000) -> list[Step]:
    dice = np.random.default_rng(7)
    steps: list[Step] = []
    for number in range(count):
        tool = TOOLS[dice.integers(3)]
        steps += [a_choice(number, tool), a_judgement(number, float(dice.random() < WORTH[tool]))]
    return steps


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("log") / "log.jsonl", a_log())


@pytest.mark.parametrize(("policy", "worth"), [("greedy", 0.8), ("uniform", 1.3 / 3)])
def test_a_policy_is_worth_what_its_choices_are_worth(log: Path, policy: str, worth: float) -> None:
    found = evaluate_log(log, policy)["estimates"]
    for name in ("ips", "snips", "dr"):
        assert abs(found[name]["value"] - worth) < 0.05
        assert found[name]["low"] < worth < found[name]["high"]


def test_unjudged_decisions_are_left_out_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "log.jsonl", [*a_log(600), a_choice(9999, "a")])
    found = evaluate_log(path, "uniform")
    assert (found["decisions"], found["unjudged"]) == (600, 1)


def test_a_log_that_nobody_judged_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="None of the 1 decisions was judged"):
        evaluate_log(written(tmp_path / "log.jsonl", [a_choice(1, "a")]), "greedy")


@pytest.mark.parametrize("policy", ["best", "softmax:", "softmax:0", "softmax:nan"])
def test_an_unknown_policy_is_refused(log: Path, policy: str) -> None:
    with pytest.raises(InvalidInput):
        evaluate_log(log, policy)


def test_the_command_prints_one_document_for_programs(log: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--log", str(log), "--policy", "softmax:0.5", "--json"])
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.output)["estimates"]) == {"ips", "snips", "dr", "sndr", "switch", "dros", "dm"}


def test_the_rooms_command_stands_beside_the_gateways_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["toolcrib", "rl", "evaluate", "--log", str(tmp_path / "no"), "--policy", "greedy"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "export" in {command.name or getattr(command.callback, "__name__", "") for command in rl.registered_commands}


def test_the_reward_model_is_right_about_the_evaluated_policy_s_choices_where_the_log_seldom_made_them() -> None:
    """Whatever shows nothing of why: the policy takes the second of two candidates that look alike, and is right."""
    dice = np.random.default_rng(3)
    found, likely = [], []
    for number in range(4000):
        chosen = int(dice.random() < 0.05)
        step = a_choice(number, TOOLS[chosen], propensity=(0.95, 0.05)[chosen])
        reward = float(dice.random() < (0.3, 0.9)[chosen])
        found += decisions([step, a_judgement(number, reward)])
        likely.append(np.array([0.0, 1.0, 0.0]))
    assert abs(RewardModels.of(found, likely).logged().value.mean() - 0.9) < 0.05
