"""What only the embedded engine has: a folder that may be damaged, full, shared or left by a killed process."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge

from domain.errors import DataFolderInUse, IndexUnavailable, StorageFull
from index.engines import disk, edge_requests
from index.engines.edge import TIDY_AFTER, EdgeEngine
from index.ports import DenseLeg, Filter, Hit, Point, SparseLeg, SparseVector
from tests.conftest import ROOT
from tests.index.samples import DIMENSION, TENANT, document, manifest, point, unit

pytestmark = pytest.mark.anyio

POINTS = [point(document(f"s__t{n}"), [1, n], {n % 7: 1.0, 50: 1.0}) for n in range(40)]
LEG = DenseLeg("concat", unit([1]), 5)
HERE = Filter(TENANT)


async def stored(folder: Path, points: list[Point] = POINTS, cursor: int = 9) -> None:
    engine = await EdgeEngine.open(folder, manifest())
    await engine.upsert(points)
    await engine.advance(cursor)
    await engine.close()


async def contents(folder: Path) -> tuple[int, int]:
    """Cursor and number of points after opening, and a proof that searching and writing work."""
    engine = await EdgeEngine.open(folder, manifest())
    found = (await engine.cursor(), len(await engine.inventory()))
    [hits] = await engine.search([LEG], HERE)
    assert len(hits) == min(5, found[1])
    await engine.upsert(POINTS[:1])
    await engine.close()
    return found


async def test_points_and_cursor_outlive_the_process(tmp_path: Path) -> None:
    await stored(tmp_path)
    assert await contents(tmp_path) == (9, 40)


async def test_writes_after_the_last_advance_are_kept_too(tmp_path: Path) -> None:
    await stored(tmp_path, POINTS[:10])
    engine = await EdgeEngine.open(tmp_path, manifest())
    await engine.upsert(POINTS[10:])
    await engine.close()
    assert await contents(tmp_path) == (9, 40)


async def test_beyond_the_flat_threshold_a_graph_is_built_and_finds_what_a_scan_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = TIDY_AFTER + 200
    directions = np.random.default_rng(7).normal(size=(many, DIMENSION))
    points = [point(document(f"s__t{n}"), row.tolist(), {n % 7: 1.0}) for n, row in enumerate(directions)]
    legs = [DenseLeg("concat", unit(row.tolist()), 10) for row in directions[:20]]
    flat = await EdgeEngine.open(tmp_path / "flat", manifest())
    await flat.upsert(points)
    await flat.advance(1)
    scanned = await flat.search(legs, HERE)
    await flat.close()
    monkeypatch.setattr(edge_requests, "FLAT_KB", 1)
    monkeypatch.setattr(edge_requests, "HNSW", edge.HnswIndexConfig(m=16, ef_construct=64, full_scan_threshold=1))
    grown = await EdgeEngine.open(tmp_path / "grown", manifest())
    await grown.upsert(points)
    before = indexed(grown)
    await grown.advance(1)
    assert indexed(grown) == before + 2 * many  # both dense fields
    await grown.close()
    again = await EdgeEngine.open(tmp_path / "grown", manifest())
    assert (await again.cursor(), len(await again.inventory())) == (1, many)  # not begun again: nothing seemed lost
    walked = await again.search(legs, HERE)
    await again.close()
    alike = [
        len(set(of_graph) & set(of_scan)) / 10 for of_graph, of_scan in zip(ids(walked), ids(scanned), strict=True)
    ]
    assert sum(alike) / len(alike) >= 0.95


def indexed(engine: EdgeEngine) -> int:
    """Vectors that a graph, or the sparse index of a finished segment, holds."""
    return int(engine._shard.info().indexed_vectors_count)


def ids(answers: list[list[Hit]]) -> list[list[str]]:
    return [[hit.tool_id for hit in hits] for hits in answers]


async def test_another_model_begins_again_from_empty(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    await stored(tmp_path)
    with caplog.at_level(logging.WARNING):
        engine = await EdgeEngine.open(tmp_path, manifest("another model"))
    assert (await engine.cursor(), await engine.inventory()) == (0, {})
    await engine.close()
    assert "built with another model or text version" in caplog.text
    assert not (tmp_path / "shard.broken").exists()
    assert await contents(tmp_path) == (0, 0)


async def test_another_layout_of_vectors_begins_again_from_empty(tmp_path: Path) -> None:
    await stored(tmp_path)
    built = tmp_path / "manifest.json"
    built.write_text(json.dumps({**json.loads(built.read_text()), "layout": "of last year"}))
    assert await contents(tmp_path) == (0, 0)


async def test_statistics_are_a_tenants_own_after_a_restart_too(tmp_path: Path) -> None:
    leg, where = SparseLeg(SparseVector((1, 2), (1.0, 1.0)), 10), Filter(TENANT)
    ours = [point(document(f"s__t{n}"), terms={1: 1.0, 2 + n: 1.0}) for n in range(4)]
    theirs = [point(document(f"s__t{n}", tenant="other"), terms={2: 1.0}) for n in range(9)]
    engine = await EdgeEngine.open(tmp_path, manifest())
    await engine.upsert(ours)
    alone = await engine.search([leg], where)
    await engine.upsert(theirs)
    await engine.close()
    engine = await EdgeEngine.open(tmp_path, manifest())
    assert await engine.search([leg], where) == alone
    await engine.close()


async def test_a_first_start_warns_of_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await stored(tmp_path / "new" / "index")
    assert caplog.text == ""


DAMAGED = [
    "state.json",
    "manifest.json",
    "shard/edge_config.json",
    "shard/wal/first-index",
    "shard/segments/*/segment.json",
    "shard/segments/*/mutable_id_tracker.mappings",
    "shard/segments/*/payload_storage/page_0.dat",
    "shard/segments/*/vector_storage-concat/tq_vectors/status.dat",
    "shard/segments/*/vector_storage-concat/tq_vectors/chunk_0.mmap",
    "shard/segments/*/vector_storage-sparse/store/tracker.dat",
]


def damage(folder: Path, name: str, how: str) -> None:
    [path] = folder.glob(name)
    if how == "emptied":
        os.truncate(path, 0)
        return
    with path.open("r+b") as stream:
        stream.write(b"\xff" * min(path.stat().st_size, 4096))


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("how", ["emptied", "overwritten"])
async def test_a_damaged_folder_is_whole_or_begins_again(tmp_path: Path, name: str, how: str) -> None:
    await stored(tmp_path)
    damage(tmp_path, name, how)
    assert await contents(tmp_path) in {(9, 40), (0, 0)}
    assert (await contents(tmp_path))[1] > 0, "what was written after the repair is kept"


async def test_a_broken_shard_is_set_aside_with_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await stored(tmp_path)
    damage(tmp_path, "shard/edge_config.json", "emptied")
    with caplog.at_level(logging.WARNING):
        assert await contents(tmp_path) == (0, 0)
    assert "begins again from empty" in caplog.text
    assert {"edge_config.json", "segments", "wal"} <= names_in(tmp_path / "shard.broken")


async def test_a_shard_that_failed_is_not_trusted_again(tmp_path: Path) -> None:
    await stored(tmp_path)
    engine = await EdgeEngine.open(tmp_path, manifest())
    with pytest.raises(IndexUnavailable):
        await engine.search([DenseLeg("no such field", unit([1]), 5)], HERE)
    await engine.close()
    assert await contents(tmp_path) == (0, 0)


async def test_a_folder_open_elsewhere_is_left_alone(tmp_path: Path) -> None:
    await stored(tmp_path)
    first = await EdgeEngine.open(tmp_path, manifest())
    with pytest.raises(DataFolderInUse):
        await EdgeEngine.open(tmp_path, manifest())
    assert len(await first.inventory()) == 40
    await first.close()


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnavailable, match="file"):
        await EdgeEngine.open(tmp_path / "file" / "index", manifest())


async def test_a_nearly_full_disk_refuses_writes_and_goes_on_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stored(tmp_path, POINTS[:5])
    engine = await EdgeEngine.open(tmp_path, manifest())
    monkeypatch.setattr(disk, "RESERVE", 1 << 62)
    with pytest.raises(StorageFull, match="free some space"):
        await engine.upsert(POINTS)
    with pytest.raises(StorageFull):
        await engine.delete([POINTS[0].id])
    with pytest.raises(StorageFull):
        await engine.advance(10)
    assert (await engine.cursor(), len(await engine.inventory())) == (9, 5)
    monkeypatch.undo()
    await engine.upsert(POINTS)
    await engine.advance(10)
    await engine.close()
    assert await contents(tmp_path) == (10, 40)


async def test_what_a_crash_left_in_the_log_waits_for_a_disk_with_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await EdgeEngine.open(tmp_path, manifest())
    await engine.upsert(POINTS)
    await engine.close()
    monkeypatch.setattr(disk, "RESERVE", 1 << 62)
    with pytest.raises(StorageFull):
        await EdgeEngine.open(tmp_path, manifest())
    monkeypatch.undo()
    assert await contents(tmp_path) == (0, 40)


async def test_a_closed_engine_says_so(tmp_path: Path) -> None:
    engine = await EdgeEngine.open(tmp_path, manifest())
    await engine.close()
    with pytest.raises(IndexUnavailable, match="closed"):
        await engine.search([LEG], HERE)


async def test_searches_run_while_a_long_write_does(tmp_path: Path) -> None:
    engine = await EdgeEngine.open(tmp_path, manifest())
    await engine.upsert(POINTS)
    many = [point(document(f"s__m{n}"), [0, 1, n]) for n in range(5000)]
    writing = asyncio.create_task(engine.upsert(many))
    during = 0
    while not writing.done():
        [hits] = await engine.search([LEG], HERE)
        assert hits[0].tool_id == "s__t0"
        during += not writing.done()
    await writing
    assert during > 0
    await engine.close()


async def test_many_deletions_are_tidied_up_and_the_rest_is_kept(tmp_path: Path) -> None:
    many = [point(document(f"s__m{n}"), [0, 1, n]) for n in range(1500)]
    await stored(tmp_path, POINTS + many, cursor=1)
    engine = await EdgeEngine.open(tmp_path, manifest())
    await engine.delete([one.id for one in many])
    await engine.advance(2)
    assert len(await engine.inventory()) == 40
    await engine.close()
    assert await contents(tmp_path) == (2, 40)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from index.engines.edge import EdgeEngine
from tests.index.samples import manifest
from tests.index.test_edge_engine import POINTS
async def main():
    engine = await EdgeEngine.open(Path(sys.argv[1]), manifest())
    await engine.upsert(POINTS[:20])
    await engine.advance(4)
    await engine.upsert(POINTS[20:])
    await engine.delete([POINTS[0].id])
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


async def test_a_killed_process_leaves_a_folder_that_opens(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    process = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)
    assert process.returncode == -signal.SIGKILL
    assert await contents(tmp_path) == (4, 39)
