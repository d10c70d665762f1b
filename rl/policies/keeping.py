"""A trained scorer as a policy folder: ONNX for whoever serves it, the weights for whoever trains on."""

from __future__ import annotations

import logging
import platform
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from domain.errors import InvalidInput
from policy_client.artefact import MODEL, Manifest, digest, write_manifest
from policy_client.scorer import EmbeddedScorer
from policy_client.scorer_features import CANDIDATE, CONTEXT, SCHEMA
from rl.policies.onnx_bytes import bytes_of
from rl.policies.scorer import Scorer, Shape, settings_of

CHECKPOINT = "checkpoint.npz"
_FILLED = 0.8

TOLERANCE = 1e-5
"""How far ONNX and torch may disagree, of logits."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a policy comes from."""

    data: str
    options: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def keep(scorer: Scorer, folder: Path, origin: Origin) -> Manifest:
    """Write model, manifest and checkpoint. Raises InvalidInput if the exported model does not do the same."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / MODEL
    model.write_bytes(exported(scorer))
    save(scorer, folder / CHECKPOINT)
    manifest = Manifest(
        kind="scorer",
        model_sha256=digest(model),
        data=origin.data,
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        versions={
            "torch": str(torch.__version__),
            "python": platform.python_version(),
            "toolcrib": version("toolcrib"),
        },
        options=dict(origin.options),
        metrics=dict(origin.metrics),
    )
    apart = disagreement(scorer, EmbeddedScorer(model.read_bytes(), manifest))
    if apart > TOLERANCE:
        raise InvalidInput(
            f"The exported policy differs from the trained one by {apart:.1e}; it is not kept as served."
        )
    write_manifest(folder, manifest)
    return manifest


def exported(scorer: Scorer) -> bytes:
    """The scorer as ONNX, for any number of decisions and candidates."""
    decisions, slots = torch.export.Dim("decisions", min=1, max=4096), torch.export.Dim("slots", min=2, max=4096)
    one = (torch.zeros(2, 3, len(CANDIDATE)), torch.zeros(2, len(CONTEXT)), torch.ones(2, 3, dtype=torch.bool))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, of which nothing is used
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts; that the model is right is measured
        program = torch.onnx.export(
            scorer.eval(),
            one,
            dynamo=True,
            verbose=False,
            input_names=["candidates", "context", "there"],
            output_names=["logits"],
            dynamic_shapes=({0: decisions, 1: slots}, {0: decisions}, {0: decisions, 1: slots}),
        )
    assert program is not None
    return bytes_of(program.model_proto)


def disagreement(scorer: Scorer, embedded: EmbeddedScorer) -> float:
    """The largest difference of a logit over random decisions of 2 to 30 candidates."""
    chance = np.random.default_rng(0)
    worst = 0.0
    for slots in (2, 7, 30):
        candidates = chance.normal(size=(64, slots, len(CANDIDATE))).astype(np.float32)
        context = chance.normal(size=(64, len(CONTEXT))).astype(np.float32)
        there = chance.random((64, slots)) < _FILLED
        with torch.inference_mode():
            ours = scorer(torch.from_numpy(candidates), torch.from_numpy(context), torch.from_numpy(there)).numpy()
        worst = max(worst, float(np.abs(ours - embedded.logits(candidates, context, there)).max()))
    return worst


def save(scorer: Scorer, path: Path) -> None:
    """Arrays and nothing that could be run, with the schema they belong to."""
    arrays = {name: value.detach().numpy() for name, value in scorer.state_dict().items()}
    np.savez(path, schema=np.array(SCHEMA), hidden=np.array(settings_of(scorer)["hidden"]), **arrays)


def load(path: Path) -> Scorer:
    """Raises InvalidInput for what is no checkpoint, was cut off, or belongs to other features."""
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        schema, hidden = str(arrays.pop("schema")), int(arrays.pop("hidden"))
        scorer = Scorer(Shape(hidden))
        if schema == SCHEMA:
            scorer.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no checkpoint at {path}; train without --resume.") from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, RuntimeError) as error:
        raise InvalidInput(
            f"{path} is no whole checkpoint of a scorer; it may be cut off. Train without --resume."
        ) from error
    if schema != SCHEMA:
        raise InvalidInput(f"{path} was trained on other features ({schema}, this version has {SCHEMA}).")
    return scorer
