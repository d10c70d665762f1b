"""Documents and points for the tests of the index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from domain.canonical import sha256_hex
from domain.text import ToolText, words
from index.documents import point_id
from index.embedders.fake import HashingEmbedder
from index.exact import name_keys
from index.ports import EngineManifest, IndexDocument, Point, SparseVector
from index.tool_index import manifest_for

DIMENSION = 16
TENANT = "acme"


def manifest(embedder: str | None = None) -> EngineManifest:
    base = manifest_for(HashingEmbedder(DIMENSION))
    return base if embedder is None else EngineManifest(embedder, base.fields, base.text_version, base.sparse_version)


def document(tool_id: str, description: str = "", *, tenant: str = TENANT, server: str | None = None) -> IndexDocument:
    """`tool_id` as agents see it: slug__name; the slug is the server unless one is given."""
    slug, _, name = tool_id.rpartition("__")
    text = ToolText(words(slug), words(name), description, "")
    hashed = sha256_hex(text.concat)
    return IndexDocument(tenant, tool_id, slug if server is None else server, text, hashed, 1)


def unit(values: Sequence[float]) -> npt.NDArray[np.float32]:
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[: len(values)] = values
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def point(of: IndexDocument, dense: Sequence[float] = (1.0,), terms: dict[int, float] | None = None) -> Point:
    vector = unit(dense)
    sparse = SparseVector(tuple(terms or ()), tuple((terms or {}).values()))
    fields = {name: vector for name, _ in manifest().fields}
    return Point(point_id(of.tenant, of.tool_id), of, fields, sparse, name_keys(of))
