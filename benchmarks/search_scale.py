"""How search grows with the catalogue, and which way of keeping vectors the product should ship.

    python -m benchmarks.search_scale [--sizes 1000 5000 20000 50000 100000 200000] [--only NAME ...] [--product]

Documents are the `concat` vectors of generated catalogues (generated_catalogue, composed_vectors); queries those of the
test splits of seal-tools and toole, cut into clauses as the product cuts them. Every setting is compared with exact
float32 search. What was measured before stays in the result for sizes and settings that this run leaves out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.composed_vectors import ComposedEmbedder, document_of
from benchmarks.generated_catalogue import generated_tools, mixed_queries
from benchmarks.prepared_folders import CACHE
from benchmarks.report import RESULTS, Promise, finish
from benchmarks.scale_plots import draw
from benchmarks.scale_settings import DIMENSION, GROWN, SETTINGS
from index.clauses import clauses
from index.embedders.minilm import MiniLMEmbedder
from index.engines.edge_requests import EF, FLAT_KB
from index.evaluation.file_cache import FileVectorCache

SIZES = (1_000, 5_000, 20_000, 50_000, 100_000, 200_000)
DETAILED = frozenset({20_000, 100_000})
QUERIES = 200
RECALL = 0.99
"""Of the true first ten: what the shipped setting has to find at every size."""

Rows = list[dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--only", nargs="*", choices=[setting.name for setting in SETTINGS])
    parser.add_argument("--product", action="store_true", help="measure the product's index instead of the settings")
    parser.add_argument("--cache", type=Path, default=CACHE)
    asked = parser.parse_args()
    before = _before()
    engine, product = list(before.get("engine", [])), list(before.get("product", []))
    about = dict(before.get("vectors", {}))
    work = asked.cache / "scale"
    work.mkdir(parents=True, exist_ok=True)
    if asked.product:
        for size in asked.sizes:
            _replace(product, product_row(size, work / "index", asked.cache))
    else:
        about |= asyncio.run(write_vectors(max(asked.sizes), work, asked.cache))
        for size in asked.sizes:
            for setting in SETTINGS:
                if setting.name in (asked.only or GROWN) or (size in DETAILED and not asked.only):
                    _replace(engine, _setting(setting.name, size, work))
    draw(engine, product)
    promises = [
        Promise(f"recall_at_10_of_{row['size']}_tools", search["recall_at_10"], RECALL, at_most=False)
        for row in engine
        for search in row["searches"]
        if is_shipped(row["setting"], row["size"], search["ef"])
    ]
    finish("search_scale", promises, {"vectors": about, "engine": engine, "product": product})


def is_shipped(setting: str, size: int, ef: int) -> bool:
    """Whether the product keeps and searches a catalogue of this size in this way (index/engines/edge_requests.py)."""
    if size * DIMENSION <= FLAT_KB * 1024:
        return setting == "flat turbo8"
    return setting == "hnsw m32 turbo8" and ef == EF


async def write_vectors(size: int, folder: Path, cache: Path) -> dict[str, Any]:
    """documents.npy and queries.npy, and what is to be known about them."""
    embedder = ComposedEmbedder(MiniLMEmbedder(), FileVectorCache(cache))
    try:
        tools = generated_tools(size)
        embedder.plan(tools)
        pieces = await embedder.prepare()
        texts = [document_of(tool).text.concat for tool in tools]
        blocks = [await embedder.embed(texts[at : at + 4096]) for at in range(0, len(texts), 4096)]
        np.save(folder / "documents.npy", np.concatenate(blocks))
        asked = [clause for query in mixed_queries() for clause in (clauses(query) or (query,))][:QUERIES]
        np.save(folder / "queries.npy", await embedder.embed(asked))
        return {
            "tools": len(tools),
            "embedded_by_the_model": sum(1 for tool in tools if not tool.pieces),
            "pieces": pieces,
            "cosine_of_composed_and_real": await embedder.fidelity(tools),
        }
    finally:
        await embedder.close()


def _setting(name: str, size: int, folder: Path) -> dict[str, Any]:
    row: dict[str, Any] = {"setting": name, "size": size}
    for what in ("build", "search"):
        row |= _child("benchmarks.scale_run", what, name, str(size), str(folder))
    for search in row["searches"]:
        print(f"{size:7,} {name:28s} ef {search['ef']:3d} recall@10 {search['recall_at_10']:.3f}", end=" ")
        print(f"p50 {search['p50_ms']:.2f} ms p95 {search['p95_ms']:.2f} {row['memory_mb']} MB", end=" ")
        print(f"build {row['write_s'] + row['optimize_s']:.1f} s", flush=True)
    return row


def product_row(size: int, folder: Path, cache: Path) -> dict[str, Any]:
    """The product's index of so many tools, made in `folder` anew: cost of filling, memory, time of every stage."""
    row: dict[str, Any] = {"setting": "product", "size": size}
    for what in ("fill", "search"):
        row |= _child("benchmarks.scale_product", what, str(size), str(folder), str(cache))
    print(json.dumps(row), flush=True)
    return row


def _child(module: str, *arguments: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{module} {' '.join(arguments)} failed:\n{done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def _before() -> dict[str, Any]:
    path = RESULTS / "search_scale.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return kept


def _replace(rows: Rows, row: dict[str, Any]) -> None:
    """Put a row in place of the one of the same setting and size."""
    rows[:] = [old for old in rows if _key(old) != _key(row)]
    rows.append(row)
    rows.sort(key=_key)


def _key(row: dict[str, Any]) -> tuple[int, int]:
    names: Sequence[str] = [setting.name for setting in SETTINGS]
    return row["size"], names.index(row["setting"]) if row["setting"] in names else len(names)


if __name__ == "__main__":
    main()
