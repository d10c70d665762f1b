"""The embedded scorer: a policy folder run by onnxruntime, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from domain.errors import InvalidInput
from policy_client.artefact import Manifest, verified
from policy_client.scorer_features import Bools, Floats

_UNREADABLE = (errors.Fail, errors.InvalidArgument, errors.InvalidGraph, errors.InvalidProtobuf)

Logits = npt.NDArray[np.float32]


class EmbeddedScorer:
    """Candidates (B, N, F), context (B, G), there (B, N) -> logits (B, 3 + 2 N), as `policy_client.scorer_features`."""

    def __init__(self, model: bytes, manifest: Manifest) -> None:
        """Raises InvalidInput for bytes that are no model."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # 50,000 parameters: a second thread costs more than it brings
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except _UNREADABLE as error:
            raise InvalidInput("The policy's model cannot be read by onnxruntime; train it again.") from error
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path) -> EmbeddedScorer:
        """Raises InvalidInput for a policy that does not fit."""
        model, manifest = verified(folder)
        return cls(model.read_bytes(), manifest)

    def logits(self, candidates: Floats, context: Floats, there: Bools) -> Logits:
        given = {"candidates": candidates, "context": context, "there": there}
        found: Logits = self._session.run(["logits"], given)[0]
        return found
