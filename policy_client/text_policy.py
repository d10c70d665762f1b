"""The text policy in this process: a policy folder of kind `text`, run by onnxruntime.

A cross-encoder: state and action are read together, which costs a forward pass per action. Refuses to know: torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors
from tokenizers import Encoding, Tokenizer

from domain.errors import InvalidInput
from policy_client.artefact import TEXT, TOKENIZER, Manifest, verified
from policy_client.scorer_features import Floats

_UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf)

BATCH = 8
"""Pairs per run: more leave the cache of a small machine's cores."""


class EmbeddedTextPolicy:
    """Scores of actions in a state; texts as `policy_client.text_form` makes them. Blocks while it runs."""

    def __init__(self, model: Path, tokenizer: Path, manifest: Manifest, *, threads: int = 0) -> None:
        """`threads`: of onnxruntime; 0 leaves the choice to it. Raises InvalidInput for a file that is no model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except _UNREADABLE as error:
            raise InvalidInput(f"{model} cannot be read by onnxruntime; train it again.") from error
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path, *, threads: int = 0) -> EmbeddedTextPolicy:
        """Raises InvalidInput for a policy that does not fit."""
        model, manifest = verified(folder, TEXT)
        return cls(model, folder / TOKENIZER, manifest, threads=threads)

    def scores(self, state: str, actions: Sequence[str]) -> Floats:
        """Shape (len(actions),): the logits of the policy over these actions."""
        return self.pair_scores([(state, action) for action in actions])

    def pair_scores(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Shape (len(pairs),). Decisions of several callers run together so. Pairs of similar length share a batch."""
        found = np.zeros(len(pairs), np.float32)
        encoded: list[Encoding] = self._tokenizer.encode_batch(list(pairs))
        order = sorted(range(len(pairs)), key=lambda row: len(encoded[row].ids))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found[rows] = self._session.run(["scores"], feeds([encoded[row] for row in rows]))[0]
        return found


def feeds(encoded: Sequence[Encoding]) -> dict[str, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """The model's inputs, shape (n, longest) each, padded with zeros."""
    longest = max(len(one.ids) for one in encoded)
    ids, mask, types = (np.zeros((len(encoded), longest), np.int64) for _ in range(3))
    for row, one in enumerate(encoded):
        ids[row, : len(one.ids)] = one.ids
        mask[row, : len(one.ids)] = 1
        types[row, : len(one.ids)] = one.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}
