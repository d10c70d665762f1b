"""kill -9 in the midst of syncs: whatever was stored is whole, and a start makes the index equal to it."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from domain.tools import ToolState
from store.store import Store
from store.tables import TOOL_VERSIONS
from sync.indexer import Indexer
from tests.conftest import ROOT
from tests.store.making import TENANT
from tests.sync.restless import open_house

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("TOOLCRIB_TEST_KILLS", "3"))


async def kill_after(steps: int, folder: Path, seed: int) -> str:
    """Let a process sync for so many steps, kill it, and name the step it was in."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.sync.restless", str(folder), str(seed), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    step = b""
    for _ in range(steps):
        step = await child.stdout.readline()
    child.kill()
    await child.communicate()
    return step.decode().strip()


async def check_the_record(store: Store) -> None:
    """Every row belongs to a whole generation."""
    changes = await store.changes.after(0, 1_000_000)
    assert [change.seq for change in changes] == list(range(1, await store.changes.head() + 1))
    versions = {(row.tool_id, row.contract_hash) for row in await store._database.rows(select(TOOL_VERSIONS))}
    for server in await store.servers.list(TENANT):
        tools = await store.catalogue.known(TENANT, server.slug)
        assert server.generation == max((tool.generation for tool in tools), default=0)
        active = [tool for tool in tools if tool.state is ToolState.ACTIVE]
        assert server.generation == 0 or 20 <= len(active) <= 60
        assert {(tool.tool_id, tool.document.contract_hash) for tool in tools} <= versions


@pytest.mark.parametrize("seed", range(KILLS))
async def test_a_killed_sync_leaves_a_whole_record_and_the_next_start_an_equal_index(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for round_ in range(2):
        step = await kill_after(chance.randint(1, 40), tmp_path, seed * 2 + round_)
        assert step

        store, index = await open_house(tmp_path)
        await check_the_record(store)
        await Indexer(store, index).drain()

        wanted = {
            index.point_id(key.tenant, key.tool_id): key.semantic_hash for key in await store.catalogue.active_keys()
        }
        assert await index.inventory() == wanted
        assert await index.cursor() == await store.changes.head()
        await index.close()
        await store.close()
