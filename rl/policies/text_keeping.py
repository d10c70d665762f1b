"""A trained text policy as a policy folder: ONNX and tokenizer to be served, the weights to be trained on."""

from __future__ import annotations

import logging
import platform
import time
import warnings
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from domain.errors import InvalidInput
from policy_client.artefact import MODEL, TEXT, TOKENIZER, Manifest, digest, write_manifest
from policy_client.text_form import META_TEXTS, SCHEMA, call_text, state_text
from policy_client.text_policy import EmbeddedTextPolicy
from rl.policies.keeping import CHECKPOINT, TOLERANCE, Origin
from rl.policies.onnx_bytes import bytes_of
from rl.policies.text import TOKENS, Reader, TextPolicy, configuration_of, shaped

_PROBES = [
    (state_text(request, calls), action)
    for request, calls in (
        ("Mail the weather of tomorrow to my mother", [("weather__get_forecast", "ok")]),
        ("pay", []),
        ("Book the flight " * 60, []),
    )
    for action in (*META_TEXTS.values(), call_text("mail__send_message", "Send a message to an address. " * 9))
]


def keep_text(policy: TextPolicy, reader: Reader, folder: Path, origin: Origin) -> Manifest:
    """Write all of it. Raises InvalidInput if the exported model does not do the same."""
    folder.mkdir(parents=True, exist_ok=True)
    policy = policy.cpu().eval()
    model, tokenizer = folder / MODEL, folder / TOKENIZER
    model.write_bytes(exported_text(policy))
    tokenizer.write_text(reader.content, encoding="utf-8")
    save_text(policy, folder / CHECKPOINT)
    manifest = Manifest(
        kind=TEXT,
        model_sha256=digest(model),
        data=origin.data,
        features=SCHEMA,
        files={TOKENIZER: digest(tokenizer)},
        made_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        versions={
            "torch": str(torch.__version__),
            "transformers": version("transformers"),
            "python": platform.python_version(),
            "toolcrib": version("toolcrib"),
        },
        options=dict(origin.options),
        metrics=dict(origin.metrics),
    )
    apart = text_disagreement(policy, reader, EmbeddedTextPolicy(model, tokenizer, manifest, threads=1))
    if apart > TOLERANCE:
        raise InvalidInput(
            f"The exported policy differs from the trained one by {apart:.1e}; it is not kept as served."
        )
    write_manifest(folder, manifest)
    return manifest


def exported_text(policy: TextPolicy) -> bytes:
    """The policy as ONNX, for any number of pairs of any length."""
    pairs, tokens = torch.export.Dim("pairs", min=1, max=4096), torch.export.Dim("tokens", min=2, max=TOKENS)
    ids, mask, types = (
        torch.full((2, 7), value) for value in (3, 1, 0)
    )  # one tensor for two inputs would be one input
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision, of which nothing is used
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own parts; that the model is right is measured
        program = torch.onnx.export(
            policy,
            (ids, mask, types),
            dynamo=True,
            verbose=False,
            input_names=["input_ids", "attention_mask", "token_type_ids"],
            output_names=["scores"],
            dynamic_shapes=({0: pairs, 1: tokens},) * 3,
        )
    assert program is not None
    return bytes_of(program.model_proto)


def text_disagreement(policy: TextPolicy, reader: Reader, embedded: EmbeddedTextPolicy) -> float:
    """The largest difference of a score over pairs of many lengths."""
    with torch.inference_mode():
        ours = policy(**reader(_PROBES, torch.device("cpu"))).numpy()
    return float(np.abs(ours - embedded.pair_scores(_PROBES)).max())


def save_text(policy: TextPolicy, path: Path) -> None:
    """Arrays and nothing that could be run, with the shape and the texts they belong to."""
    arrays = {name: value.detach().cpu().numpy() for name, value in policy.state_dict().items()}
    np.savez(path, schema=np.array(SCHEMA), configuration=np.array(configuration_of(policy)), **arrays)


def load_text(folder: Path) -> tuple[TextPolicy, Reader]:
    """Raises InvalidInput for what is no checkpoint, was cut off, or belongs to other texts."""
    path = folder / CHECKPOINT
    try:
        with np.load(BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in kept.files}
        schema, configuration = str(arrays.pop("schema")), str(arrays.pop("configuration"))
        policy = shaped(configuration)
        policy.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
        reader = Reader((folder / TOKENIZER).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no checkpoint of a text policy in {folder}; train without --resume.") from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, RuntimeError) as error:
        raise InvalidInput(
            f"{path} is no whole checkpoint of a text policy; it may be cut off. Train without --resume."
        ) from error
    if schema != SCHEMA:
        raise InvalidInput(f"{path} was trained on other texts ({schema}, this version has {SCHEMA}).")
    return policy, reader
