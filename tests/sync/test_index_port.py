"""The fake index and the real one keep the same promises to sync."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.questions import Question, QuestionSource, digest
from domain.text import ToolText
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.ports import IndexDocument
from index.tool_index import ToolIndex
from store.store import Store
from sync.fakes import FakeIndex
from sync.ports import ToolIndexPort
from tests.store.making import TENANT

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["fake", "real"])
def index(request: pytest.FixtureRequest, store: Store) -> ToolIndexPort:
    if request.param == "fake":
        return FakeIndex()
    return ToolIndex(HashingEmbedder(), store.vectors, MemoryEngine(), MemoryEngine())


def document(name: str, *, tenant: str = TENANT, words: str = "reads") -> IndexDocument:
    return IndexDocument(tenant, name, "files", ToolText("files", name, words, ""), f"{name}:{words}", 1)


async def test_a_fresh_index_is_empty_and_stands_at_zero(index: ToolIndexPort) -> None:
    assert (await index.inventory(), await index.cursor()) == ({}, 0)


async def test_the_inventory_names_every_document_by_point_id_and_hash(index: ToolIndexPort) -> None:
    await index.upsert([document("a"), document("b"), document("a", tenant="other")])
    await index.upsert([document("a", words="writes")])

    assert await index.inventory() == {
        index.point_id(TENANT, "a"): "a:writes",
        index.point_id(TENANT, "b"): "b:reads",
        index.point_id("other", "a"): "a:reads",
    }


async def test_an_upsert_reports_what_it_embedded(index: ToolIndexPort) -> None:
    report = await index.upsert([document("a"), document("b")])

    assert report.documents == 2
    assert report.embedded >= 2
    assert (await index.upsert([])).embedded == 0


async def test_deleting_and_discarding_may_be_repeated(index: ToolIndexPort) -> None:
    await index.upsert([document("a"), document("b"), document("a", tenant="other")])

    for _ in range(2):
        await index.delete(TENANT, ["a", "never"])
        await index.discard([index.point_id(TENANT, "b")])

    assert await index.inventory() == {index.point_id("other", "a"): "a:reads"}


async def test_questions_are_kept_and_replaced_with_their_tool(index: ToolIndexPort) -> None:
    first, second = (Question(text, QuestionSource.MODEL) for text in ("open the report", "what does it say"))
    await index.upsert([replace(document("a"), questions=(first,)), replace(document("b"), questions=(first, second))])
    await index.upsert([replace(document("a"), questions=(second,))])
    assert await index.question_digests() == {
        index.point_id(TENANT, "a"): digest([second.text]),
        index.point_id(TENANT, "b"): digest([second.text, first.text]),
    }
    await index.upsert([document("a")])
    await index.discard([index.point_id(TENANT, "b")])
    assert await index.question_digests() == {}


async def test_the_cursor_is_what_was_last_advanced_to(index: ToolIndexPort) -> None:
    await index.advance(7)
    await index.advance(3)

    assert await index.cursor() == 3
