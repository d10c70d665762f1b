"""The history of syncs."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.catalogue import SyncRun
from store.runs import KEPT_RUNS, SLACK, SyncRunRepository
from store.store import Store
from tests.store.making import NOW, TENANT

pytestmark = pytest.mark.anyio

RUN = SyncRun(TENANT, "files", "poll", NOW, NOW + 1, 3, 1, 2, 3, 4, 5, 6, None, ("odd \0 tool",), held=7, list_s=0.5)


async def test_a_run_comes_back_whole_and_the_newest_first(store: Store) -> None:
    failed = replace(RUN, error="It said \0 and died.", finished_at=NOW + 2)
    await store.runs.add(RUN)
    await store.runs.add(failed)
    await store.runs.add(replace(RUN, server="time"))
    await store.runs.add(replace(RUN, tenant="other"))

    assert await store.runs.list(TENANT, server="files") == [failed, RUN]
    assert [run.server for run in await store.runs.list(TENANT, limit=2)] == ["time", "files"]


async def test_the_last_success_of_a_server_is_not_moved_by_failures(store: Store) -> None:
    await store.runs.add(RUN)
    await store.runs.add(replace(RUN, finished_at=NOW + 9, error="Down."))
    await store.runs.add(replace(RUN, server="time", error="Down."))

    assert await store.runs.last_success(TENANT) == {"files": NOW + 1}


async def test_old_runs_go_but_the_last_success_stays(store: Store) -> None:
    await store.runs.add(replace(RUN, server="time"))
    await store.runs.add(RUN)
    for n in range(KEPT_RUNS + SLACK):
        await store.runs.add(replace(RUN, generation=n, error="Down."))

    runs = await store.runs.list(TENANT, server="files", limit=1000)

    assert len(runs) == KEPT_RUNS + 1
    assert runs[-1] == RUN
    assert await store.runs.last_success(TENANT) == {"files": NOW + 1, "time": NOW + 1}


async def test_a_server_that_was_full_of_runs_before_this_start_is_pruned_by_its_first_one(store: Store) -> None:
    for n in range(KEPT_RUNS + SLACK):
        await store.runs.add(replace(RUN, generation=n))
    later = SyncRunRepository(store._database)
    await later.add(replace(RUN, generation=-1))
    assert len(await store.runs.list(TENANT, server="files", limit=1000)) == KEPT_RUNS


async def test_runs_of_many_servers_are_recorded_together_as_if_one_by_one(store: Store) -> None:
    runs = [replace(RUN, server=f"s{n}", generation=n) for n in range(40)]
    await asyncio.gather(*(store.runs.add(run) for run in runs))
    assert sorted(await store.runs.list(TENANT), key=lambda run: run.generation) == runs
