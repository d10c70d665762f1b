"""Measures index.sparse.AVERAGE_LENGTH: mean number of BM25 terms per tool over the evaluation sets.

python -m benchmarks.average_length ../shared/datasets
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import qdrant_edge

from domain.text import tool_text
from index.fields import sparse_text

_K = 1.2


def terms(model: qdrant_edge.Bm25, text: str) -> int:
    """Number of terms. With b = 0 a weight is tf (k + 1) / (tf + k), which gives tf back."""
    return sum(round(_K * weight / (_K + 1 - weight)) for weight in model.embed_document(text).values)


def main(folder: Path) -> None:
    model = qdrant_edge.Bm25(qdrant_edge.Bm25Config(k=_K, b=0.0, avg_len=1.0, language="english"))
    everything: list[int] = []
    for path in sorted(folder.glob("*/tools.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        lengths = [
            terms(model, sparse_text(tool_text(row["server"] or "", {**row, "inputSchema": row["input_schema"]})))
            for row in rows
        ]
        print(f"{path.parent.name:24s} {len(lengths):6d} tools  mean {sum(lengths) / len(lengths):6.2f}")
        everything += lengths
    print(f"{'all':24s} {len(everything):6d} tools  mean {sum(everything) / len(everything):6.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
