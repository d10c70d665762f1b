"""The text policy: what it begins as, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from domain.errors import InvalidInput
from policy_client.artefact import MANIFEST, SCORER, TEXT, TOKENIZER, verified
from policy_client.scorer import EmbeddedScorer
from policy_client.text_form import META_TEXTS, call_text, state_text
from policy_client.text_policy import BATCH, EmbeddedTextPolicy
from rl.policies.keeping import CHECKPOINT, TOLERANCE, Origin
from rl.policies.text import TOKENS, Reader, TextPolicy, begun
from rl.policies.text_keeping import keep_text, load_text, text_disagreement
from tests.rl.bert import tiny_bert

STATE = state_text("please paint it red", [("a__make_tool", "ok")])
ACTIONS = [call_text("a__red_tool", "paint it red"), call_text("b__blue_tool"), *META_TEXTS.values()]


def opinionated(folder: Path) -> tuple[TextPolicy, Reader]:
    """One whose head is not zero any more."""
    policy, reader = begun(tiny_bert(folder))
    torch.manual_seed(3)
    torch.nn.init.normal_(policy.head.weight)
    return policy, reader


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    policy, reader = opinionated(tmp_path_factory.mktemp("bert"))
    keep_text(policy, reader, folder, Origin("a test"))
    return folder


def copied(kept: Path, to: Path) -> Path:
    for file in kept.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_an_untrained_one_takes_every_action_alike(tmp_path: Path) -> None:
    policy, reader = begun(tiny_bert(tmp_path))
    with torch.inference_mode():
        scores = policy(**reader([(STATE, action) for action in ACTIONS], policy.device))
    assert policy.is_indifferent
    assert scores.tolist() == [0.0] * len(ACTIONS)


def test_what_is_served_says_the_same_as_what_was_trained(kept: Path) -> None:
    policy, reader = load_text(kept)
    served = EmbeddedTextPolicy.open(kept, threads=1)
    assert text_disagreement(policy.eval(), reader, served) <= TOLERANCE
    scores = served.scores(STATE, ACTIONS)
    assert scores.shape == (len(ACTIONS),)
    assert len(set(scores.tolist())) == len(ACTIONS)


def test_more_pairs_than_a_batch_score_as_each_alone(kept: Path) -> None:
    served = EmbeddedTextPolicy.open(kept, threads=1)
    actions = [call_text(f"a__{'red ' * n}tool") for n in range(BATCH * 2 + 3)]
    alone = [float(served.scores(STATE, [action])[0]) for action in actions]
    np.testing.assert_allclose(served.scores(STATE, actions), alone, atol=1e-5)
    assert served.scores(STATE, []).shape == (0,)


def test_what_is_too_long_is_cut_alike_for_training_and_serving(kept: Path) -> None:
    policy, reader = load_text(kept)
    pair = (state_text("paint it red " * 200), call_text("a__blue_tool", "make it blue " * 30))
    seen = reader([pair], policy.device)
    assert seen["input_ids"].shape == (1, TOKENS)
    with torch.inference_mode():
        ours = float(policy.eval()(**seen)[0])
    served = EmbeddedTextPolicy.open(kept, threads=1)
    assert float(served.pair_scores([pair])[0]) == pytest.approx(ours, abs=1e-5)


def test_a_scorer_and_a_text_policy_are_told_apart(kept: Path) -> None:
    assert verified(kept, TEXT)[1].kind == TEXT
    with pytest.raises(InvalidInput, match="of kind 'text' and a scorer is wanted"):
        EmbeddedScorer.open(kept)
    with pytest.raises(InvalidInput, match="of kind 'text'"):
        verified(kept, SCORER)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": "other"}, "trained on other features"),
        ({"kind": "scorer"}, "of kind 'scorer'"),
        ({"model_sha256": "0"}, "not the model"),
        ({"files": {}}, "not the file"),
    ],
)
def test_a_manifest_that_does_not_fit_says_how(
    kept: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    folder = copied(kept, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text()) | change
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match=said):
        EmbeddedTextPolicy.open(folder)


def test_a_tokenizer_that_was_exchanged_or_is_missing_is_refused(kept: Path, tmp_path: Path) -> None:
    folder = copied(kept, tmp_path)
    (folder / TOKENIZER).write_text((folder / TOKENIZER).read_text().replace("red", "dre"))
    with pytest.raises(InvalidInput, match=r"tokenizer\.json is missing, or not the file"):
        EmbeddedTextPolicy.open(folder)
    (folder / TOKENIZER).unlink()
    with pytest.raises(InvalidInput, match=r"tokenizer\.json is missing"):
        EmbeddedTextPolicy.open(folder)


@pytest.mark.parametrize("length", [0, 10, 20_000])
def test_a_checkpoint_that_was_cut_off_says_so(kept: Path, tmp_path: Path, length: int) -> None:
    folder = copied(kept, tmp_path)
    (folder / CHECKPOINT).write_bytes((kept / CHECKPOINT).read_bytes()[:length])
    with pytest.raises(InvalidInput, match="no whole checkpoint"):
        load_text(folder)


def test_a_checkpoint_of_other_texts_and_one_that_is_not_there_say_so(kept: Path, tmp_path: Path) -> None:
    folder = copied(kept, tmp_path)
    with np.load(kept / CHECKPOINT) as arrays:
        np.savez(folder / CHECKPOINT, **{**arrays, "schema": np.array("other")})
    with pytest.raises(InvalidInput, match="other texts"):
        load_text(folder)
    (folder / CHECKPOINT).unlink()
    with pytest.raises(InvalidInput, match="no checkpoint of a text policy"):
        load_text(folder)


def test_a_folder_without_weights_to_begin_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="holds no BERT"):
        begun(tmp_path)
