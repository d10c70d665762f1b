"""The scorer: its symmetry, its prior, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from policy_client.artefact import MANIFEST, MODEL, verified
from policy_client.scorer import EmbeddedScorer
from policy_client.scorer_features import CANDIDATE, CONTEXT, META, encode
from rl.policies.keeping import CHECKPOINT, TOLERANCE, Origin, disagreement, keep, load
from rl.policies.scorer import Scorer, Shape, masked

SMALL = Shape(16)
ROOT = Path(__file__).parents[3]


def decisions(seed: int, size: int, slots: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    return (
        torch.randn(size, slots, len(CANDIDATE), generator=chance),
        torch.randn(size, len(CONTEXT), generator=chance),
        torch.rand(size, slots, generator=chance) < 0.8,
    )


def test_it_has_about_fifty_thousand_parameters() -> None:
    assert 45_000 <= Scorer().parameter_count <= 55_000


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), slots=st.integers(2, 12))
def test_candidates_in_another_order_get_the_same_logits_in_that_order(seed: int, slots: int) -> None:
    scorer = Scorer(SMALL).eval()
    candidates, context, there = decisions(seed, 3, slots)
    order = torch.randperm(slots, generator=torch.Generator().manual_seed(seed))
    with torch.inference_mode():
        straight = scorer(candidates, context, there)
        turned = scorer(candidates[:, order], context, there[:, order])
    meta, calls, removals = straight.split([len(META), slots, slots], dim=1)
    assert torch.allclose(turned, torch.cat([meta, calls[:, order], removals[:, order]], dim=1), atol=1e-5)


def test_empty_slots_change_no_logit_of_the_filled_ones() -> None:
    scorer = Scorer(SMALL).eval()
    candidates, context, _ = decisions(1, 4, 6)
    full = torch.ones(4, 6, dtype=torch.bool)
    wider = torch.cat([candidates, torch.full((4, 3, len(CANDIDATE)), 9.0)], dim=1)
    with torch.inference_mode():
        few = scorer(candidates, context, full)
        many = scorer(wider, context, torch.cat([full, torch.zeros(4, 3, dtype=torch.bool)], dim=1))
    assert torch.allclose(few[:, : len(META) + 6], many[:, : len(META) + 6], atol=1e-6)


def test_an_untrained_scorer_follows_the_graph() -> None:
    scorer = Scorer(SMALL).eval()
    table = torch.zeros(1, 5, len(CANDIDATE))
    table[0, :, CANDIDATE.index("graph")] = torch.tensor([-9.0, -9.0, -0.1, -9.0, -9.0])
    with torch.inference_mode():
        logits = scorer(table, torch.zeros(1, len(CONTEXT)), torch.ones(1, 5, dtype=torch.bool))
    assert logits[0, len(META) : len(META) + 5].argmax() == 2


def test_what_is_not_allowed_is_never_the_best() -> None:
    allowed = torch.tensor([[False, True, True]])
    assert masked(torch.tensor([[9.0, 1.0, 2.0]]), allowed).argmax() == 2


def test_features_that_are_missing_count_as_nothing_and_more_candidates_than_slots_are_left_out() -> None:
    table, context, there = encode([{"retrieval": 1.5, "unknown": 7.0}, {}, {}], {"need": -2.0}, slots=2)
    assert table[0, CANDIDATE.index("retrieval")] == 1.5
    assert table.sum() == 1.5
    assert context[CONTEXT.index("need")] == context.sum() == -2.0
    assert there.tolist() == [True, True]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    torch.manual_seed(3)
    keep(Scorer(SMALL), folder, Origin("a test"))
    return folder


def copied(kept: Path, to: Path) -> Path:
    for file in kept.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_onnx_and_torch_agree_for_any_number_of_candidates(kept: Path) -> None:
    assert disagreement(load(kept / CHECKPOINT).eval(), EmbeddedScorer.open(kept)) <= TOLERANCE


def test_a_kept_model_names_no_file_of_the_machine_that_made_it(kept: Path) -> None:
    assert str(ROOT).encode() not in (kept / MODEL).read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": "other"}, "trained on other features"),
        ({"kind": "text"}, "of kind 'text'"),
        ({"model_sha256": "0"}, "not the model"),
        ({"form": 9}, "of form 9"),
        ({"surprise": 1}, "no manifest"),
    ],
)
def test_a_manifest_that_does_not_fit_says_how(
    kept: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    folder = copied(kept, tmp_path)
    manifest = json.loads((folder / MANIFEST).read_text()) | change
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InvalidInput, match=said):
        verified(folder)


def test_a_folder_without_a_policy_and_a_model_cut_off_are_told_apart(kept: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no policy"):
        EmbeddedScorer.open(tmp_path / "nothing")
    folder = copied(kept, tmp_path)
    (folder / MODEL).write_bytes((folder / MODEL).read_bytes()[:100])
    with pytest.raises(InvalidInput, match="changed or cut off"):
        EmbeddedScorer.open(folder)
    (folder / MODEL).unlink()
    with pytest.raises(InvalidInput, match="has no policy"):
        EmbeddedScorer.open(folder)


def test_bytes_that_are_no_model_are_refused(kept: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot be read"):
        EmbeddedScorer(b"nonsense", verified(kept)[1])


@pytest.mark.parametrize("length", [0, 10, 2000])
def test_a_checkpoint_that_was_cut_off_says_so(kept: Path, tmp_path: Path, length: int) -> None:
    cut = tmp_path / CHECKPOINT
    cut.write_bytes((kept / CHECKPOINT).read_bytes()[:length])
    with pytest.raises(InvalidInput, match="no whole checkpoint"):
        load(cut)


def test_a_checkpoint_of_other_features_says_so(kept: Path, tmp_path: Path) -> None:
    with np.load(kept / CHECKPOINT) as arrays:
        np.savez(tmp_path / CHECKPOINT, **{**arrays, "schema": np.array("other")})
    with pytest.raises(InvalidInput, match="other features"):
        load(tmp_path / CHECKPOINT)
