"""A scorer of one weight per number, written as ONNX by hand: a policy whose opinion a test knows, without torch.

logits = [bias of answer, search, stop; candidates @ weights; the same less 100 for removals]
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from policy_client.artefact import MODEL, Manifest, digest, write_manifest
from policy_client.scorer_features import CANDIDATE, CONTEXT, META

_FLOAT, _INT64, _BOOL = 1, 7, 9
_OPSET, _IR = 13, 8


def keep_linear(folder: Path, weights: Mapping[str, float], **said: Any) -> Path:
    """A policy folder. `weights`: by the names of scorer_features.CANDIDATE; `said`: of the manifest, what differs."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / MODEL
    model.write_bytes(linear_model(weights))
    manifest = Manifest("scorer", digest(model), "a test's weights", made_at="2026-01-01T00:00:00+00:00")
    write_manifest(folder, replace(manifest, **said))
    return folder


def linear_model(weights: Mapping[str, float]) -> bytes:
    """ModelProto of onnx.proto, ir_version 8, opset 13."""
    nodes = [
        _node("MatMul", ["candidates", "weights"], "scores"),
        _node("Squeeze", ["scores", "last"], "calls"),
        _node("Sub", ["calls", "far"], "removals"),
        _node("MatMul", ["context", "nothing"], "zeros"),
        _node("Add", ["zeros", "bias"], "meta"),
        _node("Concat", ["meta", "calls", "removals"], "logits", axis=1),
    ]
    constants = [
        _floats("weights", (len(CANDIDATE), 1), [weights.get(name, 0.0) for name in CANDIDATE]),
        _tensor("last", (1,), _INT64, struct.pack("<q", 2)),
        _floats("far", (1,), [100.0]),
        _floats("nothing", (len(CONTEXT), len(META)), [0.0] * len(CONTEXT) * len(META)),
        _floats("bias", (len(META),), [0.0, 0.0, -5.0]),
    ]
    inputs = [
        _value("candidates", _FLOAT, ("n", "slots", len(CANDIDATE))),
        _value("context", _FLOAT, ("n", len(CONTEXT))),
        _value("there", _BOOL, ("n", "slots")),
    ]
    graph = b"".join(
        [
            *(_field(1, node) for node in nodes),
            _text(2, "linear"),
            *(_field(5, constant) for constant in constants),
            *(_field(11, one) for one in inputs),
            _field(12, _value("logits", _FLOAT, ("n", "width"))),
        ]
    )
    return _number(1, _IR) + _field(7, graph) + _field(8, _number(2, _OPSET))


def _node(kind: str, takes: Sequence[str], makes: str, **attributes: int) -> bytes:
    named = b"".join(
        _field(5, _text(1, name) + _number(3, value) + _number(20, 2)) for name, value in attributes.items()
    )
    return b"".join(_text(1, name) for name in takes) + _text(2, makes) + _text(4, kind) + named


def _floats(name: str, shape: Sequence[int], values: Sequence[float]) -> bytes:
    return _tensor(name, shape, _FLOAT, struct.pack(f"<{len(values)}f", *values))


def _tensor(name: str, shape: Sequence[int], kind: int, raw: bytes) -> bytes:
    return b"".join(_number(1, size) for size in shape) + _number(2, kind) + _text(8, name) + _field(9, raw)


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    sizes = b"".join(_field(1, _number(1, size) if isinstance(size, int) else _text(2, size)) for size in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, kind) + _field(2, sizes)))


def _text(number: int, text: str) -> bytes:
    return _field(number, text.encode())


def _field(number: int, content: bytes) -> bytes:
    """Length-delimited."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
