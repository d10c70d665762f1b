"""Documents to points: ids, and the check that every vector is one."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from domain.errors import IndexSelfTestFailed
from index.embedders.vectors import UNIT
from index.exact import name_keys
from index.fields import DENSE_FIELDS, FieldSpec
from index.ports import IndexDocument, Matrix, Point
from index.sparse import Bm25Encoder

_NAMESPACE = uuid.UUID("8f1f6a52-3d0b-5a0e-9d6c-54c1b5a70c5e")


@lru_cache(maxsize=32_768)
def point_id(tenant: str, tool_id: str) -> str:
    """The same pair always gives the same id, so that writing twice is writing once. Remembered: a search asks for some
    hundred of them, and hashing those takes a millisecond.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{tenant}\0{tool_id}"))


def field_texts(document: IndexDocument, fields: Sequence[FieldSpec] = DENSE_FIELDS) -> list[str]:
    """The texts to embed, in the order of `fields` and of their parts."""
    return [text for spec in fields for _, text in spec.parts(document.text)]


def point(
    document: IndexDocument, vectors: Matrix, encoder: Bm25Encoder, fields: Sequence[FieldSpec] = DENSE_FIELDS
) -> Point:
    """`vectors`: those of `field_texts(document, fields)`, a row each.

    Raises IndexSelfTestFailed, naming the tool, when a vector is not one of unit length.
    """
    rows = iter(vectors)
    dense: dict[str, npt.NDArray[np.float32]] = {}
    for spec in fields:
        own = [(weight, next(rows)) for weight, _ in spec.parts(document.text)]
        _require_unit(document, spec.name, [row for _, row in own])
        dense[spec.name] = own[0][1] if len(own) == 1 else _average(own)
    return Point(
        id=point_id(document.tenant, document.tool_id),
        document=document,
        dense=dense,
        sparse=encoder.document(document.text),
        names=name_keys(document),
    )


def points(
    documents: Sequence[IndexDocument],
    vectors: Matrix,
    encoder: Bm25Encoder,
    fields: Sequence[FieldSpec] = DENSE_FIELDS,
) -> list[Point]:
    """`vectors`: those of the documents' `field_texts`, one document's behind the other's."""
    ends = list(accumulate(len(field_texts(document, fields)) for document in documents))
    return [
        point(document, vectors[start:end], encoder, fields)
        for document, start, end in zip(documents, [0, *ends], ends, strict=False)
    ]


def wordy_point(
    document: IndexDocument, dimension: int, encoder: Bm25Encoder, fields: Sequence[FieldSpec] = DENSE_FIELDS
) -> Point:
    """A point that is found by words and names, for the time until there are vectors: its own point where no text
    does, and its hash is none, so that whoever compares it with the catalogue writes it again.
    """
    nowhere = np.zeros((len(field_texts(document, fields)), dimension), dtype=np.float32)
    nowhere[:, 0] = 1.0
    return point(replace(document, semantic_hash=""), nowhere, encoder, fields)


def _average(parts: Sequence[tuple[float, npt.NDArray[np.float32]]]) -> npt.NDArray[np.float32]:
    mean = np.sum([weight * vector for weight, vector in parts], axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), dtype=np.float32)


def _require_unit(document: IndexDocument, name: str, vectors: Iterable[npt.NDArray[np.float32]]) -> None:
    """A vector of NaN or zero would be stored without a word and never be found."""
    for vector in vectors:
        length = float(np.linalg.norm(vector))
        if not abs(length - 1) < UNIT:  # also true for NaN
            raise IndexSelfTestFailed(
                f"The {name} vector of tool {document.tool_id!r} has length {length:.3g} instead of 1, so nothing of "
                "this batch was stored; check the embedding model.",
                servers=frozenset({(document.tenant, document.server)}),
            )
