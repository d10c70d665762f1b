"""Training the text policy, tiny: it learns, it repeats itself, and it refuses what it cannot learn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from domain.errors import InvalidInput
from domain.trajectories import Step, StepCandidate
from policy_client.artefact import TEXT, verified
from policy_client.text_form import call_text, state_text
from policy_client.text_policy import EmbeddedTextPolicy
from rl.cli import app
from rl.data.text_steps import Pair, TextDecision, imitable, pairs, text_decisions
from rl.policies.text import begun
from rl.training.text_gradient import train_on_decisions
from rl.training.text_imitation import train_by_imitation
from rl.training.text_options import TextOptions, apart, device_named
from rl.training.text_pairs import train_on_pairs
from tests.rl.bert import tiny_bert
from tests.rl.logs import a_choice, a_judgement, written

COLOURS = ("red", "blue", "green")
CANDIDATES = tuple(StepCandidate(f"{colour}_tool", 1.0) for colour in COLOURS)
OPTIONS = TextOptions(rate=3e-3, epochs=6, minibatch=4, device="cpu", beta=1.0)


def log(works: str = "blue") -> list[Step]:
    """One of the tools helps whoever asks, the others nobody; each request is answered by each of them."""
    steps: list[Step] = []
    wishes = (f"{wish} {thing}" for wish in ("please paint", "make", "call up", "give", "search") for thing in "abc")
    for row, wish in enumerate(wishes):
        for column, colour in enumerate(COLOURS):
            number = row * len(COLOURS) + column
            steps += [
                a_choice(number, f"{colour}_tool", queries=(wish,), candidates=CANDIDATES),
                a_judgement(number, float(colour == works)),
            ]
    return steps


def best(policy: Any, reader: Any, request: str) -> str:
    with torch.inference_mode():
        scores = policy(**reader([(state_text(request), call_text(f"{c}_tool")) for c in COLOURS], policy.device))
    return COLOURS[int(scores.argmax())]


@pytest.mark.parametrize("works", COLOURS)
def test_pairs_teach_it_what_helps_those_it_has_not_heard_yet(tmp_path: Path, works: str) -> None:
    policy, reader = begun(tiny_bert(tmp_path))
    measured = train_on_pairs(policy, reader, pairs(text_decisions(log(works), {})), OPTIONS)
    assert measured["pairs"] + measured["held_back_pairs"] == 15 * 2
    assert measured["held_back_right"] == 1.0
    assert best(policy, reader, "please make it up") == works


@pytest.mark.parametrize("works", COLOURS)
def test_the_policy_gradient_teaches_it_the_same(tmp_path: Path, works: str) -> None:
    policy, reader = begun(tiny_bert(tmp_path))
    measured = train_on_decisions(policy, reader, text_decisions(log(works), {}), OPTIONS)
    assert measured["held_back_value"] > 1 / 3 + 0.2
    assert best(policy, reader, "please make it up") == works


@pytest.mark.parametrize("works", COLOURS)
def test_imitation_teaches_it_what_agents_chose_and_nobody_judged(tmp_path: Path, works: str) -> None:
    chosen = [step for step in log() if step.action.get("tool_id") == f"{works}_tool"]
    # one that went another way, so that not all the log is one action
    other = next(colour for colour in COLOURS if colour != works)
    chosen.append(a_choice(900, f"{other}_tool", queries=("something else",), candidates=CANDIDATES))
    policy, reader = begun(tiny_bert(tmp_path))
    measured = train_by_imitation(policy, reader, imitable(chosen, {}), OPTIONS)
    assert measured["decisions"] + measured["held_back_decisions"] == len(chosen)
    assert best(policy, reader, "please make it up") == works


def test_what_was_judged_a_failure_is_not_imitated() -> None:
    found = imitable(log("blue"), {})
    assert {one.action for one in found} == {call_text("blue_tool")}
    assert all(len(one.actions) == len(COLOURS) for one in found)


def test_calls_without_another_candidate_are_nothing_to_imitate() -> None:
    alone = [
        a_choice(number, f"{colour}_tool", candidates=(StepCandidate(f"{colour}_tool", 1.0),))
        for number, colour in enumerate(COLOURS)
    ]
    with pytest.raises(InvalidInput, match="No call of the log had another candidate"):
        imitable(alone, {})


def test_equal_data_and_options_are_equal_policies(tmp_path: Path) -> None:
    made = pairs(text_decisions(log(), {}))[:16]
    weights = []
    for _ in range(2):
        policy, reader = begun(tiny_bert(tmp_path))
        train_on_pairs(policy, reader, made, OPTIONS)
        weights.append(policy.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_state_is_learnt_from_or_held_back_as_a_whole() -> None:
    made = pairs(text_decisions(log(), {}))
    taught, back = apart(made, [pair.state for pair in made], 0.3)
    assert taught
    assert back
    assert not {pair.state for pair in taught} & {pair.state for pair in back}


def run(*arguments: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("method", ["dpo", "gradient", "imitation"])
def test_the_command_trains_keeps_a_policy_and_goes_on_with_it(tmp_path: Path, method: str) -> None:
    file, out = written(tmp_path / "log.jsonl", log()), tmp_path / "policy"
    quick = ("--set", f"method={method}", "--set", f"start={tiny_bert(tmp_path / 'bert')}", "--set", "rate=0.003")
    arguments = ("train", "--policy", "text", "--log", str(file), "--out", str(out), *quick, "--json")
    made = run(*arguments)
    assert (made["kind"], made["options"]["method"]) == (TEXT, method)
    assert verified(out, TEXT)[1].data == made["data"]
    assert list((out / "curves").iterdir())
    scores = EmbeddedTextPolicy.open(out, threads=1).scores("make it red", [call_text("red_tool"), "give up"])
    assert scores.shape == (2,)
    assert run(*arguments, "--resume")["model_sha256"] != made["model_sha256"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "word"), "No policy is called 'word'"),
        (("--policy", "text"), "is trained on a log"),
        (("--policy", "text", "--log", "LOG", "--set", "method=ppo"), "trained by dpo or gradient or imitation"),
        (("--policy", "text", "--log", "LOG", "--set", "device=tpu"), "cpu, cuda or auto"),
        (("--policy", "text", "--log", "LOG", "--set", "start=NOWHERE"), "holds no BERT"),
        (("--policy", "text", "--log", "LOG", "--set", "catalogue=NOWHERE"), "tools.jsonl"),
        (("--policy", "text", "--log", "LOG", "--resume"), "no checkpoint of a text policy"),
    ],
)
def test_what_it_cannot_be_trained_with_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    file = written(tmp_path / "log.jsonl", log())
    named = [one.replace("LOG", str(file)).replace("NOWHERE", str(tmp_path / "no")) for one in arguments]
    with pytest.raises(InvalidInput, match=said):
        CliRunner().invoke(app, ["train", "--out", str(tmp_path / "policy"), *named], catch_exceptions=False)
    assert not (tmp_path / "policy").exists()


def test_the_gradient_wants_judgements_and_propensities(tmp_path: Path) -> None:
    gradient = ["train", "--policy", "text", "--out", str(tmp_path / "p"), "--set", "method=gradient", "--log"]
    unjudged = written(tmp_path / "unjudged.jsonl", log()[::2])
    with pytest.raises(InvalidInput, match="None of the 45 decisions was judged"):
        CliRunner().invoke(app, [*gradient, str(unjudged)], catch_exceptions=False)
    steps = [a_choice(1, "a", propensity=None), a_judgement(1, 1.0), a_choice(2, "b"), a_judgement(2, 0.0)]
    unknown = written(tmp_path / "unknown.jsonl", steps)
    with pytest.raises(InvalidInput, match="1 of 2 decisions have no propensity"):
        CliRunner().invoke(app, [*gradient, str(unknown)], catch_exceptions=False)


def test_a_gpu_that_is_not_there_is_said() -> None:
    if torch.cuda.is_available():
        assert device_named("cuda").type == device_named("auto").type == "cuda"
    else:
        assert device_named("auto").type == "cpu"
        with pytest.raises(InvalidInput, match="no GPU"):
            device_named("cuda")


def test_a_decision_needs_no_texts_to_be_compared() -> None:
    """The names alone are texts: a policy can be trained without a catalogue."""
    found = text_decisions(log(), {})
    assert isinstance(found[0], TextDecision)
    assert Pair("make a", call_text("blue_tool"), call_text("red_tool")) in pairs(found)
