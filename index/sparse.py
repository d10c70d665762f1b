"""BM25 as sparse vectors: term weights here, IDF in the engine (Robertson and Zaragoza 2009, eq. 3.15).

Refuses to know: where the vectors are kept and who may see them.
"""

from __future__ import annotations

import qdrant_edge

from domain.text import ToolText
from index.fields import sparse_text
from index.identifiers import with_parts
from index.ports import SparseVector

K = 1.2
B = 0.75
"""Chosen on dev: k 0.6 to 1.5 and b 0.4 to 0.9 differ by less than .02 Recall@5 on any set."""

AVERAGE_LENGTH = 34.0
"""Mean number of terms, stop words out, of `sparse_text` over the 10,560 tools of the six evaluation sets (api-bank,
mcp-catalogue, seal-tools, tau2-retail-airline, toolbench, toole); measured by benchmarks/average_length.py. A constant,
because stored weights depend on it: change it and SPARSE_VERSION together. The library's default, 256, costs seal-tools
.055 Recall@5."""

SPARSE_VERSION = f"bm25:english:k{K}:b{B}:avg{AVERAGE_LENGTH:g}:1"
"""Part of the engine manifest: another one means that stored vectors are of no use."""


class Bm25Encoder:
    """English stop words and stemmer; other languages pass unstemmed. About 15 µs a text."""

    def __init__(self) -> None:
        config = qdrant_edge.Bm25Config(k=K, b=B, avg_len=AVERAGE_LENGTH, language="english")
        self._model = qdrant_edge.Bm25(config)

    def document(self, text: ToolText) -> SparseVector:
        """Term weights by frequency and length. Without terms when every word is a stop word."""
        return _ours(self._model.embed_document(_encodable(sparse_text(text))))

    def query(self, text: str) -> SparseVector:
        """Each distinct term once, with weight 1."""
        return _ours(self._model.embed_query(_encodable(with_parts(text))))


def _encodable(text: str) -> str:
    """Lone surrogates are legal in JSON escapes and illegal in UTF-8, which the library takes."""
    return text.encode("utf-8", "replace").decode()


def _ours(vector: qdrant_edge.SparseVector) -> SparseVector:
    return SparseVector(tuple(vector.indices), tuple(vector.values))
