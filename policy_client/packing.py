"""Tables of numbers inside JSON: little-endian float32 or bytes of 0 and 1, as base64.

Decimal digits of a batch of 64 decisions cost client and server more than the model does.
"""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt


def packed(table: npt.NDArray[np.float32] | npt.NDArray[np.bool_]) -> str:
    """Its numbers, row by row."""
    kind = "u1" if table.dtype == np.bool_ else "<f4"
    return base64.b64encode(np.ascontiguousarray(table, kind).tobytes()).decode("ascii")


def floats(text: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """What was packed. Raises ValueError for anything else than so many numbers."""
    return _unpacked(text, shape, "<f4").astype(np.float32, copy=False)


def bools(text: Any, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """What was packed. Raises ValueError for anything else than so many of them."""
    filled: npt.NDArray[np.bool_] = _unpacked(text, shape, "u1") != 0
    return filled


def _unpacked(text: Any, shape: tuple[int, ...], kind: str) -> npt.NDArray[np.generic]:
    try:
        raw = base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:  # it came over the wire, and may be anything
        raise ValueError("A table is base64 text.") from error
    if len(raw) != math.prod(shape) * np.dtype(kind).itemsize:
        raise ValueError(f"A table of the shape {shape} has another length.")
    return np.frombuffer(raw, kind).reshape(shape)
