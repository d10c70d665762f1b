"""An index that follows the catalogue, whatever happens in between."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from domain.catalogue import CatalogueDiff
from domain.errors import IndexUnavailable
from domain.questions import Question, QuestionSource
from store.store import Store
from sync import indexer as indexer_module
from sync.fakes import FakeIndex
from sync.indexer import Indexer
from tests.store.making import NOW, TENANT, a_server, a_tool, adding

pytestmark = pytest.mark.anyio


async def with_tools(store: Store, *names: str, slug: str = "files") -> None:
    await store.servers.add(a_server(slug))
    tools = (a_tool(name, server=slug) for name in names)
    await store.catalogue.apply(TENANT, slug, adding(*tools), expected_generation=0, at=NOW)


async def equal(store: Store, index: FakeIndex) -> bool:
    """Whether the index holds exactly the active tools, and stands at the head of the log."""
    wanted = {index.point_id(key.tenant, key.tool_id): key.semantic_hash for key in await store.catalogue.active_keys()}
    return await index.inventory() == wanted and await index.cursor() == await store.changes.head()


async def test_an_empty_index_takes_everything_that_is_active(store: Store) -> None:
    await with_tools(store, "a", "b")
    await store.catalogue.apply(TENANT, "files", CatalogueDiff(removed=("files__a",)), expected_generation=1, at=NOW)
    index = FakeIndex()

    await Indexer(store, index).drain()

    assert await equal(store, index)
    assert (set(index.points), index.embedded) == ({"default/files__b"}, 1)


async def test_an_index_that_is_behind_at_a_start_catches_up_by_the_log_alone(store: Store) -> None:
    index = FakeIndex()
    await with_tools(store, "a", "b")
    await Indexer(store, index).drain()
    del index.points["default/files__a"]  # as no crash leaves it: only a comparison sees it
    await store.catalogue.apply(TENANT, "files", CatalogueDiff(removed=("files__b",)), expected_generation=1, at=NOW)
    indexer = Indexer(store, index)

    await indexer.catch_up()
    assert await index.cursor() == await store.changes.head()
    assert set(index.points) == set()

    await indexer.drain()
    assert await equal(store, index)
    assert set(index.points) == {"default/files__a"}


async def test_an_index_that_is_empty_at_a_start_catches_up_by_comparison(store: Store) -> None:
    await with_tools(store, "a", "b")
    index = FakeIndex()

    await Indexer(store, index).catch_up()

    assert await equal(store, index)


async def test_changes_are_followed_in_batches_and_the_cursor_moves_with_each(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexer_module, "BATCH", 2)
    index = FakeIndex()
    indexer = Indexer(store, index)
    await indexer.drain()

    await with_tools(store, "a", "b", "c", "d", "e")
    await indexer.drain()

    assert await equal(store, index)
    assert indexer.take_embedded(TENANT, "files") == 5
    assert indexer.take_embedded(TENANT, "files") == 0


async def test_a_second_drain_writes_nothing(store: Store) -> None:
    await with_tools(store, "a")
    index = FakeIndex()
    indexer = Indexer(store, index)
    await indexer.drain()
    before = index.writes

    await indexer.drain()
    await Indexer(store, index).drain()

    assert (index.writes, index.embedded) == (before, 1)


async def test_a_tool_removed_before_its_change_is_followed_never_gets_in(store: Store) -> None:
    index = FakeIndex()
    indexer = Indexer(store, index)
    await indexer.drain()
    await with_tools(store, "a", "b")
    await store.servers.remove(TENANT, "files")

    await indexer.drain()

    assert await equal(store, index)
    assert index.embedded == 0


async def test_a_crash_between_write_and_cursor_is_healed_by_doing_it_again(store: Store) -> None:
    index = FakeIndex()
    await with_tools(store, "a")
    await Indexer(store, index).drain()
    index.position = 0

    await Indexer(store, index).drain()

    assert await equal(store, index)


async def test_a_start_repairs_points_that_are_missing_stale_or_orphaned(store: Store) -> None:
    await with_tools(store, "a", "b", "c")
    index = FakeIndex()
    await Indexer(store, index).drain()
    del index.points["default/files__a"]
    index.points["default/files__b"] = index.points["default/files__c"]
    index.points["default/stranger"] = index.points["default/files__c"]
    embedded = index.embedded

    await Indexer(store, index).drain()

    assert await equal(store, index)
    assert index.embedded - embedded == 2


async def test_an_index_ahead_of_the_log_is_compared_as_a_whole(store: Store) -> None:
    await with_tools(store, "a")
    index = FakeIndex()
    indexer = Indexer(store, index)
    await indexer.drain()
    index.position = 99
    index.points.clear()

    await indexer.drain()

    assert await equal(store, index)


async def test_an_index_that_fails_is_followed_again_from_where_it_stood(store: Store) -> None:
    await with_tools(store, "a")
    index = FakeIndex(failing=IndexUnavailable("Gone fishing."))
    indexer = Indexer(store, index)

    with pytest.raises(IndexUnavailable, match="Gone fishing"):
        await indexer.drain()
    index.failing = None
    await indexer.drain()

    assert await equal(store, index)


async def test_the_task_retries_ever_more_slowly_and_follows_when_woken(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    index = FakeIndex(failing=IndexUnavailable("Gone fishing."))
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 8:
            index.failing = None

    await with_tools(store, "a")
    indexer = Indexer(store, index, sleep=sleep)
    caplog.set_level(logging.WARNING)
    task = asyncio.create_task(indexer.run())
    async with asyncio.timeout(10):
        while not await equal(store, index):  # noqa: ASYNC110  every look is a query, not a sleep
            await asyncio.sleep(0)
        await with_tools(store, "b", slug="time")
        indexer.wake()
        while not await equal(store, index):  # noqa: ASYNC110
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert "The index does not follow: Gone fishing. Next try in 60 s." in caplog.text


async def test_drains_side_by_side_do_the_work_once(store: Store) -> None:
    await with_tools(store, *(f"t{n}" for n in range(20)))
    index = FakeIndex()
    indexer = Indexer(store, index)

    await asyncio.gather(*(indexer.drain() for _ in range(5)))

    assert (index.embedded, await equal(store, index)) == (20, True)


async def test_a_question_reaches_the_index_and_leaves_it_with_its_tool(store: Store) -> None:
    await with_tools(store, "a", "b")
    index = FakeIndex()
    indexer = Indexer(store, index)
    await indexer.drain()
    asked = Question("open the report", QuestionSource.USAGE, 1.0, NOW)
    await store.questions.add(TENANT, {"files__a": [asked]})

    await indexer.drain()

    assert index.points["default/files__a"].questions == (asked,)
    assert index.points["default/files__b"].questions == ()
    await store.catalogue.apply(TENANT, "files", CatalogueDiff(removed=("files__a",)), expected_generation=1, at=NOW)
    await indexer.drain()
    assert await index.question_digests() == {}


async def test_a_start_gives_an_index_the_questions_that_it_lost(store: Store) -> None:
    await with_tools(store, "a", "b")
    await store.questions.add(TENANT, {"files__a": [Question("open the report", QuestionSource.USAGE, 1.0, NOW)]})
    index = FakeIndex()
    await Indexer(store, index).drain()
    whole = await index.question_digests()
    index.points["default/files__a"] = replace(index.points["default/files__a"], questions=())

    await Indexer(store, index).drain()

    assert await index.question_digests() == whole != {}
