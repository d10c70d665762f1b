"""One setting at one size, in two processes of its own, so that memory means what it says: one builds, one searches.

    python -m benchmarks.scale_run build|search SETTING SIZE FOLDER

FOLDER holds documents.npy and queries.npy; prints one JSON object.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import qdrant_edge as edge

from benchmarks.scale_settings import SETTINGS, Setting

LIMIT = 50  # hits asked of a leg by the product's profiles
TENANT = edge.Filter(must=[edge.FieldCondition("tenant", match=edge.MatchValue("bench"))])
_BATCH = 1000
_LEGS = 4

Rows = npt.NDArray[np.float32]


def main() -> None:
    what, name, size, folder = sys.argv[1:5]
    setting = next(setting for setting in SETTINGS if setting.name == name)
    work = build if what == "build" else search
    print(json.dumps(work(setting, int(size), Path(folder))))


def build(setting: Setting, size: int, folder: Path) -> dict[str, Any]:
    """Write the shard into FOLDER/shard; seconds of wall clock and of processor time."""
    documents = np.load(folder / "documents.npy", mmap_mode="r")[:size]
    shutil.rmtree(folder / "shard", ignore_errors=True)
    (folder / "shard").mkdir()
    shard = edge.EdgeShard.create(str(folder / "shard"), setting.config())
    shard.update(edge.UpdateOperation.create_field_index("tenant", edge.KeywordIndexParams(is_tenant=True)))
    began, cpu = time.perf_counter(), time.process_time()
    for start in range(0, size, _BATCH):
        shard.update(edge.UpdateOperation.upsert_points(_points(documents, start, min(start + _BATCH, size))))
    written = time.perf_counter()
    shard.optimize()
    shard.flush()
    ended = time.perf_counter()
    shard.close()
    return {
        "write_s": round(written - began, 2),
        "optimize_s": round(ended - written, 2),
        "processor_s": round(time.process_time() - cpu, 2),
        "disk_mb": round(disk_bytes(folder / "shard") / 2**20),
    }


def search(setting: Setting, size: int, folder: Path) -> dict[str, Any]:
    """Open the shard and ask every query: recall against exact search, milliseconds, memory beside the library's."""
    documents: Rows = np.load(folder / "documents.npy", mmap_mode="r")[:size]
    queries: Rows = np.load(folder / "queries.npy")
    true = _exact(documents, queries)
    base = psutil.Process().memory_info().rss
    mapped = _mapped(folder / "shard")
    shard = edge.EdgeShard.load(str(folder / "shard"))
    results = [_measured(shard, setting, search, queries, true) for search in setting.searches]
    process = psutil.Process()
    anonymous = (process.memory_info().rss - base) / 2**20
    return {
        "searches": results,
        "memory_mb": round(anonymous),
        "of_that_mapped_mb": round((_mapped(folder / "shard") - mapped) / 2**20),
    }


def disk_bytes(folder: Path) -> int:
    """What its files take on disk; the engine's are longer than that, with holes."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def _points(documents: Rows, start: int, end: int) -> list[edge.Point]:
    return [
        edge.Point(number, {"concat": documents[number].tolist()}, {"tenant": "bench", "tool_id": f"s__t{number}"})
        for number in range(start, end)
    ]


def _exact(documents: Rows, queries: Rows) -> list[Sequence[int]]:
    """The numbers of the LIMIT best documents of each query, best first, in float32; in slices, to need little room."""
    scores = np.concatenate(
        [queries @ documents[at : at + 10_000].T for at in range(0, len(documents), 10_000)], axis=1
    )
    order: Sequence[Sequence[int]] = np.argsort(-scores, axis=1)[:, :LIMIT].tolist()
    return list(order)


def _measured(
    shard: edge.EdgeShard, setting: Setting, search: tuple[int, float], queries: Rows, true: list[Sequence[int]]
) -> dict[str, Any]:
    params = setting.params(*search)
    requests = [_request(query, params) for query in queries]
    recall_10 = recall_50 = 0.0
    times: list[float] = []
    for request, best in zip(requests, true, strict=True):
        began = time.perf_counter()
        found = shard.query(request)
        times.append((time.perf_counter() - began) * 1e3)
        ids = [int(hit.id) for hit in found]
        recall_10 += len(set(best[:10]) & set(ids[:10])) / 10
        recall_50 += len(set(best) & set(ids)) / len(best)
    batches: list[float] = []
    for start in range(0, len(requests) - _LEGS + 1, _LEGS):
        batch = edge.QueryBatchRequest(requests[start : start + _LEGS])
        began = time.perf_counter()
        shard.query_batch(batch)
        batches.append((time.perf_counter() - began) * 1e3)
    return {
        "ef": search[0],
        "oversampling": search[1],
        "recall_at_10": round(recall_10 / len(true), 4),
        "recall_at_50": round(recall_50 / len(true), 4),
        "p50_ms": round(float(np.percentile(times, 50)), 3),
        "p95_ms": round(float(np.percentile(times, 95)), 3),
        "four_legs_p50_ms": round(float(np.percentile(batches, 50)), 3),
    }


def _request(query: Rows, params: edge.SearchParams) -> edge.QueryRequest:
    nearest = edge.Query.Nearest(query.tolist(), using="concat")
    return edge.QueryRequest(LIMIT, query=nearest, filter=TENANT, params=params)


def _mapped(folder: Path) -> int:
    """Resident bytes of the files of a folder that this process has mapped."""
    return sum(int(one.rss) for one in psutil.Process().memory_maps() if one.path.startswith(str(folder)))


if __name__ == "__main__":
    main()
