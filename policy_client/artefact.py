"""A policy on disk: `policy.onnx` and `manifest.json`, and what has to fit before one is used.

The manifest says what the policy was trained on and with, and the SHA-256 of the model and of every file that it needs
beside it: a text policy has its `tokenizer.json` there. Refuses to know: torch, and how a policy was trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from policy_client import scorer_features, text_form

MODEL, MANIFEST, TOKENIZER = "policy.onnx", "manifest.json", "tokenizer.json"
FORM = 1

SCORER, TEXT = "scorer", "text"
SCHEMAS: Mapping[str, str] = {SCORER: scorer_features.SCHEMA, TEXT: text_form.SCHEMA}
"""Kind of policy -> what names the features, or texts, that this version gives it."""

_NEEDED: Mapping[str, tuple[str, ...]] = {SCORER: (), TEXT: (TOKENIZER,)}


@dataclass(frozen=True, slots=True)
class Manifest:
    """`data`: SHA-256 of the export, or the name of the family. `metrics`: what was measured, by name. `files`: name ->
    SHA-256 of what the model needs beside it.
    """

    kind: str  # scorer or text
    model_sha256: str
    data: str
    features: str = scorer_features.SCHEMA
    files: Mapping[str, str] = field(default_factory=dict)
    form: int = FORM
    made_at: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def kind_of(folder: Path) -> str:
    """Scorer or text. Raises InvalidInput for a folder with no policy, or with one of another kind."""
    kind = _read(folder).kind
    if kind not in SCHEMAS:
        raise InvalidInput(f"The policy in {folder} is of kind {kind!r}, which this version does not know.")
    return kind


def verified(folder: Path, kind: str = SCORER) -> tuple[Path, Manifest]:
    """The model of a policy that fits this version. Raises InvalidInput, saying what does not fit."""
    manifest = _read(folder)
    model = folder / MODEL
    if manifest.kind != kind:
        raise InvalidInput(f"The policy in {folder} is of kind {manifest.kind!r} and a {kind} is wanted here.")
    if manifest.features != SCHEMAS[kind]:
        raise InvalidInput(
            f"The policy in {folder} was trained on other features ({manifest.features}, this version has "
            f"{SCHEMAS[kind]}); train it again."
        )
    if not model.is_file():
        raise InvalidInput(f"The policy in {folder} has no {MODEL}; copy the whole folder, or train it again.")
    if digest(model) != manifest.model_sha256:
        raise InvalidInput(f"{model} is not the model that {MANIFEST} speaks of; it was changed or cut off.")
    for name in _NEEDED[kind]:
        if not (folder / name).is_file() or digest(folder / name) != manifest.files.get(name):
            raise InvalidInput(f"{folder / name} is missing, or not the file that {MANIFEST} speaks of.")
    return model, manifest


def _read(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(**kept)
    except OSError as error:
        raise InvalidInput(f"There is no policy in {folder}: {MANIFEST} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is no manifest of a policy; it may be cut off.") from error
    if manifest.form != FORM:
        raise InvalidInput(f"{path} is of form {manifest.form} and this version reads form {FORM}.")
    return manifest
