"""Documents to points: ids, and the check that every vector is one."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from domain.errors import IndexSelfTestFailed
from index.embedders.vectors import UNIT
from index.exact import name_keys
from index.fields import DENSE_FIELDS
from index.ports import IndexDocument, Matrix, Point
from index.sparse import Bm25Encoder

_NAMESPACE = uuid.UUID("8f1f6a52-3d0b-5a0e-9d6c-54c1b5a70c5e")


@lru_cache(maxsize=32_768)
def point_id(tenant: str, tool_id: str) -> str:
    """The same pair always gives the same id, so that writing twice is writing once. Remembered: a search asks for some
    hundred of them, and hashing those takes a millisecond.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{tenant}\0{tool_id}"))


def field_texts(document: IndexDocument) -> list[str]:
    """The texts to embed, in the order of DENSE_FIELDS."""
    return [spec.text(document.text) for spec in DENSE_FIELDS]


def point(document: IndexDocument, vectors: Matrix, encoder: Bm25Encoder) -> Point:
    """`vectors`: shape (number of fields, dimension), rows in the order of DENSE_FIELDS.

    Raises IndexSelfTestFailed, naming the tool, when a vector is not one of unit length.
    """
    dense = {spec.name: vector for spec, vector in zip(DENSE_FIELDS, vectors, strict=True)}
    _require_unit(document, dense)
    return Point(
        id=point_id(document.tenant, document.tool_id),
        document=document,
        dense=dense,
        sparse=encoder.document(document.text),
        names=name_keys(document),
    )


def points(documents: Sequence[IndexDocument], vectors: Matrix, encoder: Bm25Encoder) -> list[Point]:
    """`vectors`: shape (documents x fields, dimension)."""
    step = len(DENSE_FIELDS)
    return [point(document, vectors[at * step : (at + 1) * step], encoder) for at, document in enumerate(documents)]


def wordy_point(document: IndexDocument, dimension: int, encoder: Bm25Encoder) -> Point:
    """A point that is found by words and names, for the time until there are vectors: its own point where no text
    does, and its hash is none, so that whoever compares it with the catalogue writes it again.
    """
    nowhere = np.zeros((len(DENSE_FIELDS), dimension), dtype=np.float32)
    nowhere[:, 0] = 1.0
    return point(replace(document, semantic_hash=""), nowhere, encoder)


def _require_unit(document: IndexDocument, dense: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """A vector of NaN or zero would be stored without a word and never be found."""
    for name, vector in dense.items():
        length = float(np.linalg.norm(vector))
        if not abs(length - 1) < UNIT:  # also true for NaN
            raise IndexSelfTestFailed(
                f"The {name} vector of tool {document.tool_id!r} has length {length:.3g} instead of 1, so nothing of "
                "this batch was stored; check the embedding model.",
                servers=frozenset({(document.tenant, document.server)}),
            )
