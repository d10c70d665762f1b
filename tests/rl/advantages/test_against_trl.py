"""HDPO here and in TRL: a real GRPOTrainer with `normalize_then_sum` and a reward that is None for whoever was wrong
(literature.md, finding 1), on a random model of a few thousand weights.
"""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl.advantages.whole import hdpo
from tests.conftest import absent
from tests.rl.rollouts import NONE, apart

GROUP, GROUPS = 4, 3
EPSILON = 1e-4
WEIGHTS = {"outcome": 1.0, "efficiency": 0.15}
CALLS = np.array([0, 1, 2, 3, 1, 1, 5, 2, 0, 4, 2, 2])
CORRECT = np.array([1, 1, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0], float)
"""Three correct with different numbers of calls; one alone; none at all."""

EFFICIENCY = np.where(CORRECT > 0, 1 / (CALLS + 1), NONE)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What TRL makes of the rewards above, one advantage per completion."""
    if importlib.util.find_spec("trl") is None:
        absent("trl (make test-rl)")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of TRL and what it brings; what it computes is what is looked at
        return advantages_of_trl(tmp_path_factory.mktemp("trl"))


def advantages_of_trl(folder: Path) -> np.ndarray:
    from datasets import Dataset  # noqa: PLC0415 - only `make test-rl` has these
    from tokenizers import Tokenizer  # noqa: PLC0415
    from tokenizers.models import WordLevel  # noqa: PLC0415
    from tokenizers.pre_tokenizers import Whitespace  # noqa: PLC0415
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415
    from trl import GRPOConfig, GRPOTrainer  # noqa: PLC0415

    words = Tokenizer(WordLevel({"[PAD]": 0, "[EOS]": 1, "do": 2, "it": 3}, "[PAD]"))
    words.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", eos_token="[EOS]")
    config = LlamaConfig(
        vocab_size=4, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    seen: list[np.ndarray] = []

    class Watched(GRPOTrainer):
        def _generate_and_score_completions(self, inputs: Any) -> Any:
            made = super()._generate_and_score_completions(inputs)
            seen.append(made["advantages"].cpu().numpy())
            return made

    def outcome(completions: list[str], **_: Any) -> list[float]:
        return [float(value) for value in CORRECT[: len(completions)]]

    def efficiency(completions: list[str], **_: Any) -> list[float | None]:
        return [None if np.isnan(value) else float(value) for value in EFFICIENCY[: len(completions)]]

    options = GRPOConfig(
        output_dir=str(folder), per_device_train_batch_size=GROUP * GROUPS, num_generations=GROUP, max_steps=1,
        max_completion_length=2, report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False,
        multi_objective_aggregation="normalize_then_sum", reward_weights=list(WEIGHTS.values()), save_strategy="no",
        disable_tqdm=True,
    )  # fmt: skip
    trainer = Watched(
        model=LlamaForCausalLM(config), processing_class=tokenizer, reward_funcs=[outcome, efficiency], args=options,
        train_dataset=Dataset.from_dict({"prompt": ["do it"] * GROUPS}),
    )  # fmt: skip
    trainer.train()
    return seen[0]


def test_hdpo_is_what_trl_computes_before_it_divides_by_the_spread_of_the_batch(theirs: np.ndarray) -> None:
    group = np.repeat(np.arange(GROUPS), GROUP)
    rollouts = apart(group.tolist(), [1] * len(group), outcome=CORRECT.tolist(), efficiency=EFFICIENCY.tolist())
    weighed = type(rollouts)(rollouts.group, rollouts.nodes, rollouts.rewards, weights=WEIGHTS)
    ours = hdpo(weighed)[:, 0]
    assert ours.std() > 0
    assert theirs == pytest.approx((ours - ours.mean()) / (ours.std(ddof=1) + EPSILON), abs=1e-5)


def test_in_trl_too_one_correct_rollout_has_nobody_to_be_more_efficient_than(theirs: np.ndarray) -> None:
    second, third = theirs[GROUP : 2 * GROUP], theirs[2 * GROUP :]
    assert second.argmax() == int(CORRECT[GROUP : 2 * GROUP].argmax())
    assert np.unique(second.round(5)).size == 2
    assert np.unique(third.round(5)).size == 1
