"""Large results: whole in their pages, for their owner alone, and not for ever."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput, ResultNotFound
from domain.events import Versions
from domain.identity import LOCAL, Principal, Role
from domain.sessions import MemoryMode, Session
from gateway.event_log.journal import Journal
from gateway.use_cases.catalogue import CatalogueReader
from gateway.use_cases.results import Page, ResultLimits, Results
from gateway.use_cases.session_options import SessionDefaults
from gateway.use_cases.sessions import Sessions
from servers.large_results.spool import Spool
from servers.ports import CallResult
from store.store import Store

pytestmark = pytest.mark.anyio

ADA = Principal("default", "ada", frozenset({Role.AGENT}))
LIMITS = ResultLimits(inline_bytes=100, page_bytes=64, ttl_s=60.0)
TEXT = "naïve 😀 text, " * 50


def text_result(text: str) -> CallResult:
    return CallResult({"content": [{"type": "text", "text": text}]})


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    store = await Store.open(f"sqlite:///{tmp_path}/toolcrib.db")
    journal = Journal(store.events, Versions)
    yield Sessions(store, CatalogueReader(store), journal, SessionDefaults(MemoryMode.LRU, 8, 60.0))
    await store.close()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", file_bytes=4000, total_bytes=16_000)


@pytest.fixture
async def results(spool: Spool, sessions: Sessions) -> AsyncIterator[Results]:
    made = Results(spool, sessions, LIMITS)
    yield made
    made.close()
    assert spool.used == 0


async def keep(
    results: Results, text: str = TEXT, *, principal: Principal = ADA, session: Session | None = None
) -> Page:
    _, page = await results.fit(principal, session, text_result(text), inline=False)
    assert page is not None
    return page


async def joined(results: Results, first: Page, principal: Principal = ADA) -> str:
    pages = [await results.read(principal, first.handle, number) for number in range(1, first.pages + 1)]
    return "".join(page.text for page in pages)


async def test_a_result_within_the_limit_is_the_very_same(results: Results, spool: Spool) -> None:
    result = text_result("x" * 100)
    assert await results.fit(ADA, None, result, inline=False) == (result, None)
    assert spool.used == 0


async def test_a_program_gets_everything_that_could_be_parsed(results: Results) -> None:
    result = text_result(TEXT)
    assert await results.fit(ADA, None, result, inline=True) == (result, None)


async def test_the_first_page_comes_with_the_way_to_the_next(results: Results, spool: Spool) -> None:
    shown, page = await results.fit(ADA, None, text_result(TEXT), inline=False)
    assert page is not None
    assert shown.raw == {"content": [{"type": "text", "text": page.text}], "isError": False}
    assert page.facts | {"handle": "", "expires_at": 0} == {
        "handle": "",
        "bytes": len(TEXT.encode()),
        "media": "text/plain",
        "page": 1,
        "pages": 15,
        "next": 2,
        "expires_at": 0,
    }
    assert await joined(results, page) == TEXT
    results.close()
    assert spool.used == 0


@given(text=st.text(min_size=26, max_size=300), page_bytes=st.integers(4, 80))
def test_the_pages_joined_are_the_text_and_no_page_is_too_long(text: str, page_bytes: int) -> None:
    async def check(folder: Path) -> None:
        spool = Spool(folder, file_bytes=10_000, total_bytes=100_000)
        nobody_asks = cast("Sessions", None)  # about a session: the result was made outside any
        results = Results(spool, nobody_asks, replace(LIMITS, inline_bytes=25, page_bytes=page_bytes))
        first = await keep(results, text)
        assert await joined(results, first) == text
        for number in range(1, first.pages + 1):
            assert len((await results.read(ADA, first.handle, number)).text.encode()) <= page_bytes + 3
        results.close()
        assert spool.used == 0

    with TemporaryDirectory() as folder:
        asyncio.run(check(Path(folder)))


async def test_structured_content_is_paged_as_its_json(results: Results) -> None:
    rows: dict[str, Any] = {"content": [], "structuredContent": {"rows": list(range(200))}}
    shown, page = await results.fit(ADA, None, CallResult(rows), inline=False)
    assert page is not None
    assert (page.media, "structuredContent" in shown.raw) == ("application/json", False)
    assert json.loads(await joined(results, page)) == rows


async def test_images_are_shown_and_not_read(results: Results) -> None:
    image = {"type": "image", "data": "A" * 3000, "mimeType": "image/png"}
    alone = CallResult({"content": [image]})
    assert await results.fit(ADA, None, alone, inline=False) == (alone, None)
    shown, page = await results.fit(
        ADA, None, CallResult({"content": [image, {"type": "text", "text": TEXT}]}), inline=False
    )
    assert page is not None
    assert shown.raw["content"] == [{"type": "text", "text": page.text}, image]


async def test_a_failed_tool_stays_failed(results: Results) -> None:
    result = CallResult({"content": [{"type": "text", "text": TEXT}], "isError": True})
    shown, _ = await results.fit(ADA, None, result, inline=False)
    assert shown.is_error


@pytest.mark.parametrize(
    "other",
    [
        Principal("default", "bob", frozenset({Role.AGENT})),
        Principal("elsewhere", "ada", frozenset({Role.AGENT})),
        LOCAL,
    ],
)
async def test_nobody_else_can_read_it_not_even_an_admin(results: Results, other: Principal) -> None:
    page = await keep(results)
    with pytest.raises(ResultNotFound):
        await results.read(other, page.handle, 1)
    assert (await results.read(ADA, page.handle, 1)).text == page.text


async def test_it_ends_with_its_session_and_belongs_to_no_other(results: Results, sessions: Sessions) -> None:
    mine, other = await sessions.open(ADA), await sessions.open(ADA)
    page = await keep(results, session=mine)
    assert (await results.read(ADA, page.handle, 2, mine.id)).number == 2
    with pytest.raises(ResultNotFound):
        await results.read(ADA, page.handle, 2, other.id)
    await sessions.forget(ADA, mine.id)
    with pytest.raises(ResultNotFound):
        await results.read(ADA, page.handle, 2)


async def test_it_expires(spool: Spool, sessions: Sessions) -> None:
    results = Results(spool, sessions, replace(LIMITS, ttl_s=0.01))
    page = await keep(results)
    assert page.expires_at <= time.time() + 0.01
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, over.set)
    await over.wait()
    with pytest.raises(ResultNotFound):
        await results.read(ADA, page.handle, 1)
    assert spool.used == 0


async def test_one_principals_oldest_results_leave_first_and_never_those_of_another(results: Results) -> None:
    bob = Principal("default", "bob", frozenset({Role.AGENT}))
    his = await keep(results, "b" * 3000, principal=bob)
    first, *others = [await keep(results, "a" * 3000) for _ in range(3)]
    with pytest.raises(ResultNotFound):
        await results.read(ADA, first.handle, 1)
    for page in others:
        assert (await results.read(ADA, page.handle, 1)).pages == page.pages
    assert (await results.read(bob, his.handle, 1)).pages == his.pages


async def test_a_result_that_cannot_be_kept_is_handed_out_whole(results: Results) -> None:
    result = text_result("x" * 5000)
    assert await results.fit(ADA, None, result, inline=False) == (result, None)


@pytest.mark.parametrize("number", [0, -1, 17])
async def test_a_page_there_is_not_is_named(results: Results, number: int) -> None:
    page = await keep(results)
    with pytest.raises(InvalidInput, match=f"pages 1 to 15, not {number}"):
        await results.read(ADA, page.handle, number)
