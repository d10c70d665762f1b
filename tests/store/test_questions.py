"""Questions of tools on both databases."""

from __future__ import annotations

import pytest

from domain.catalogue import ChangeKind
from domain.questions import HALF_LIFE_S, Question, QuestionSource, digest
from store.questions import MAX_KEPT
from store.store import Store
from tests.store.making import NOW, TENANT

pytestmark = pytest.mark.anyio

TOOL = "files__read"
KEY = (TENANT, TOOL)


def used(text: str, at: float = NOW, uses: float = 1.0) -> Question:
    return Question(text, QuestionSource.USAGE, uses, at)


async def test_questions_come_back_by_tool_and_the_index_is_told_once(store: Store) -> None:
    before = await store.changes.head()
    assert (
        await store.questions.add(TENANT, {TOOL: [used("open it"), used("read it")], "files__write": [used("x y")]})
        == 3
    )
    found = await store.questions.of([KEY, (TENANT, "files__none")])
    assert {question.text for question in found[KEY]} == {"open it", "read it"}
    assert list(found) == [KEY]
    told = await store.changes.after(before, 10)
    assert [(change.tool_id, change.kind) for change in told] == [
        (TOOL, ChangeKind.UPSERT),
        ("files__write", ChangeKind.UPSERT),
    ]
    assert (await store.questions.digests())[KEY] == digest(["read it", "open it"])


async def test_asked_again_a_question_gains_uses_its_old_ones_halve_and_no_index_is_bothered(store: Store) -> None:
    await store.questions.add(TENANT, {TOOL: [used("open it", NOW, 4.0)]})
    before = await store.changes.head()
    assert await store.questions.add(TENANT, {TOOL: [used("OPEN it", NOW + HALF_LIFE_S)]}) == 0
    [question] = (await store.questions.of([KEY]))[KEY]
    assert (question.text, question.at) == ("open it", NOW + HALF_LIFE_S)
    assert question.uses == pytest.approx(3.0)
    assert await store.changes.head() == before


async def test_one_source_is_replaced_and_the_others_stay(store: Store) -> None:
    await store.questions.add(TENANT, {TOOL: [used("open it")]})
    for text in ("first", "second"):
        await store.questions.replace(TENANT, TOOL, QuestionSource.MODEL, [Question(text, QuestionSource.MODEL)])
    assert {question.text for question in (await store.questions.of([KEY]))[KEY]} == {"open it", "second"}


async def test_what_age_made_worthless_is_forgotten_and_the_index_told(store: Store) -> None:
    await store.questions.add(TENANT, {TOOL: [used("long ago", NOW - 5 * HALF_LIFE_S), used("lately")]})
    await store.questions.replace(TENANT, TOOL, QuestionSource.MODEL, [Question("written", QuestionSource.MODEL)])
    before = await store.changes.head()
    assert await store.questions.forget(NOW) == 1
    assert {question.text for question in (await store.questions.of([KEY]))[KEY]} == {"lately", "written"}
    assert [change.tool_id for change in await store.changes.after(before, 10)] == [TOOL]
    assert await store.questions.forget(NOW) == 0


async def test_no_tool_keeps_more_than_its_share_and_the_most_used_stay(store: Store) -> None:
    await store.questions.add(TENANT, {TOOL: [used(f"question {n}", NOW, 1.0 + n) for n in range(MAX_KEPT + 3)]})
    assert await store.questions.forget(NOW) == 3
    left = {question.text for question in (await store.questions.of([KEY]))[KEY]}
    assert len(left) == MAX_KEPT
    assert "question 2" not in left
    assert f"question {MAX_KEPT + 2}" in left


async def test_a_tenant_s_usage_can_be_forgotten_as_a_whole(store: Store) -> None:
    await store.questions.add(TENANT, {TOOL: [used("mine")]})
    await store.questions.add("other", {TOOL: [used("theirs")]})
    assert await store.questions.forget(NOW, tenant=TENANT) == 1
    assert set(await store.questions.of([KEY, ("other", TOOL)])) == {("other", TOOL)}
