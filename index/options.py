"""How an index is made, beyond where it lies and what embeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from index.fields import DENSE_FIELDS, FieldSpec


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """`fields`: the vectors of a point. `patience_s`: how long a search waits for the embedder, where that is a model
    elsewhere.
    """

    fields: Sequence[FieldSpec] = DENSE_FIELDS
    patience_s: float | None = None


PLAIN = IndexOptions()
