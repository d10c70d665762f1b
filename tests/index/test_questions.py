"""Questions: what is remembered of a query, the bank that keeps them, and the stage that weighs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Ranking
from domain.errors import IndexUnavailable
from domain.questions import HALF_LIFE_S, MAX_CHARS, Question, QuestionSource
from domain.text import ToolText
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.ports import Filter, Hit, Leg, SearchRequest
from index.questions.evidence import COVERAGE, Evidence, Weights, blend
from index.questions.redaction import learnable
from index.questions.selection import ALIKE, by_worth, distinct
from index.templates import template_questions
from index.tool_index import ToolIndex
from tests.index.samples import TENANT, document, unit
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

TOOLS = [document("files__read", "Read a file."), document("mail__send", "Send a message."), document("web__get", "")]


def used(*texts: str, at: float = 0.0) -> tuple[Question, ...]:
    return tuple(Question(text, QuestionSource.USAGE, 1.0, at or 1e12) for text in texts)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("open /home/ann/taxes.pdf please", "open path please"),
        ("call +1 (555) 123-4567 on 2024-05-03", "call number on number"),
        ("mail bob@example.org about https://x.example/?t=1", "mail email about link"),
        ("show order A-4711 and 550e8400-e29b-41d4-a716-446655440000", "show order id and id"),
        ("it's the user's 'My File', don't stop", "it's the user's something, don't stop"),
        ("convert mp3 in 3D", "convert mp3 in 3D"),
        ('"what is the weather like"', "what is the weather like"),
        ("my password is hunter2", None),
        ("use sk-live0123456789abcdef to pay", None),
        ("Authorization: Bearer abcdef0123456789", None),
        ("log in with Zk3vQ9xL7pTn2RwY8bHc", None),
        ("4711", None),
        ("weather", None),
    ],
)
def test_values_leave_a_query_and_a_secret_keeps_it_from_being_remembered(query: str, kept: str | None) -> None:
    assert learnable(query) == kept


@given(st.text(max_size=2000))
def test_nothing_remembered_is_long_or_holds_two_digits_in_a_row(query: str) -> None:
    kept = learnable(query)
    if kept is not None:
        assert len(kept) <= MAX_CHARS
        assert not any(a.isascii() and a.isdigit() and b.isascii() and b.isdigit() for a, b in pairwise(kept))


def test_the_most_used_come_first_and_what_is_too_old_not_at_all() -> None:
    now = 10 * HALF_LIFE_S
    fresh, often = Question("a", QuestionSource.USAGE, 1.0, now), Question("b", QuestionSource.USAGE, 9.0, now - 1)
    old = Question("c", QuestionSource.USAGE, 1.0, now - 5 * HALF_LIFE_S)
    written = Question("d", QuestionSource.MODEL)
    assert by_worth([fresh, old, written, often, replace(fresh, text="A")], now) == [
        often,
        replace(fresh, text="A"),
        written,
    ]


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(any), min_size=1, max_size=12))
def test_questions_that_are_kept_are_unlike_each_other_and_every_other_is_like_one(rows: list[list[float]]) -> None:
    vectors = [unit(row) for row in rows if sum(abs(x) for x in row) > 1e-3]
    if not vectors:
        return
    matrix = np.stack(vectors)
    kept = distinct(matrix)
    similar = matrix @ matrix[kept].T
    assert kept[0] == 0
    assert all(similar[row, at] < ALIKE for at in range(len(kept)) for row in kept[at + 1 :])
    assert all(similar[row].max() >= ALIKE - 1e-6 for row in range(len(matrix)))


def test_templates_ask_in_the_tool_s_own_words() -> None:
    text = ToolText(
        "weather", "get forecast", "A tool that returns the forecast of a city. And more.", "city: name, day"
    )
    asked = [question.text for question in template_questions(text)]
    assert asked == [
        "get forecast with city and day",
        "I want to return the forecast of a city",
        "Can you get forecast?",
    ]
    assert template_questions(ToolText("", "", "x", "")) == ()


class Breaking(MemoryEngine):
    """Answers until it is broken."""

    broken = False

    async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
        if self.broken:
            raise IndexUnavailable
        return await super().search(legs, where)


async def an_index(bank: MemoryEngine | None = None, **questions: tuple[Question, ...]) -> ToolIndex:
    index = ToolIndex(HashingEmbedder(), DictCache(), MemoryEngine(), bank or MemoryEngine())
    await index.upsert([replace(tool, questions=questions.get(tool.tool_id, ())) for tool in TOOLS])
    return index


async def ask(index: ToolIndex, query: str, k: int = 3, profile: str = "hybrid") -> Ranking:
    [ranking] = await index.search(SearchRequest(TENANT, (query,), k, profile))
    return ranking


def ids(ranking: Ranking) -> list[str]:
    return [candidate.tool_id for candidate in ranking.candidates]


async def test_what_was_asked_before_finds_its_tool_again_though_no_document_says_it() -> None:
    index = await an_index(web__get=used("fetch me yesterday's headlines"), mail__send=used("tell ann that I am late"))
    ranking = await ask(index, "yesterday's headlines please")
    assert ids(ranking)[0] == "web__get"
    assert {"asked", "centre", "worded", "votes"} <= ranking.candidates[0].stages.keys()
    assert ranking.timings_ms["usage"] > 0


async def test_each_need_of_a_query_is_found_by_what_was_asked_for_it() -> None:
    index = await an_index(
        web__get=used("fetch me yesterday's headlines"),
        mail__send=used("tell ann that I am late"),
        files__read=used("open the ledger of May"),
    )
    ranking = await ask(index, "Fetch me yesterday's headlines, then tell ann that I am late.", k=2)
    assert set(ids(ranking)) == {"web__get", "mail__send"}
    assert all(candidate.stages["asked_clause"] > 0.9 for candidate in ranking.candidates), (
        "each as near as its own clause"
    )


async def test_an_empty_bank_changes_nothing_and_neither_does_a_profile_without_questions() -> None:
    plain, asked = await an_index(), await an_index(web__get=used("read a file", "send a message"))
    for profile, index in (("hybrid", await an_index()), ("dense", asked), ("bm25", asked)):
        with_bank, without = (
            await ask(index, "read a file", profile=profile),
            await ask(plain, "read a file", profile=profile),
        )
        assert ids(with_bank) == ids(without)
        assert with_bank.candidates[0].stages == without.candidates[0].stages


async def test_a_bank_that_fails_leaves_the_order_of_the_documents_and_is_named() -> None:
    bank = Breaking()
    index, plain = await an_index(bank, web__get=used("read a file")), await an_index()
    assert (await ask(index, "read a file")).degraded == ()
    bank.broken = True
    ranking = await ask(index, "read a file")
    assert ranking.degraded == ("usage",)
    assert ids(ranking) == ids(await ask(plain, "read a file"))


async def test_a_tool_named_exactly_stays_first_whatever_was_asked_before() -> None:
    index = await an_index(web__get=used("files read", "files__read"))
    assert ids(await ask(index, "files__read"))[0] == "files__read"


async def test_questions_of_one_tenant_are_nobody_else_s() -> None:
    index = await an_index()
    theirs = replace(document("web__get", "", tenant="other"), questions=used("read a file", "read the file"))
    await index.upsert([theirs])
    assert ids(await ask(index, "read a file"))[0] == "files__read"
    assert all("asked" not in candidate.stages for candidate in (await ask(index, "read a file")).candidates)


async def test_alike_questions_are_kept_once() -> None:
    bank = MemoryEngine()
    await an_index(bank, web__get=used("read a file", "a file read", "send a message"))
    assert len(await bank.inventory()) == 3, "two questions and their centre"


def asked_near(*cosines: dict[str, float]) -> list[Evidence]:
    """Of each text, the nearest question of each tool."""
    return [Evidence({"asked": of}, {"asked": min(of.values())}, dict.fromkeys(of, "s")) for of in cosines]


tools = st.sampled_from("abcdefgh")


@given(st.dictionaries(tools, st.floats(0, 1), min_size=1), st.dictionaries(tools, st.floats(-1, 1), min_size=1))
def test_among_tools_that_nobody_asked_for_the_documents_decide_whatever_others_were_asked(
    documents: dict[str, float], asked: dict[str, float]
) -> None:
    found = Evidence({"asked": asked}, {"asked": min(asked.values())}, dict.fromkeys(asked, "s"))
    unasked = [tool for tool in documents if tool not in asked]
    scores = blend(documents, [found], unasked, Weights()).scores
    assert scores.keys() == documents.keys() | asked.keys()
    assert all(0 <= score <= 1 for score in scores.values())
    order = sorted(unasked, key=lambda tool: documents[tool])
    assert all(scores[a] <= scores[b] + 1e-9 for a, b in pairwise(order))


def test_a_tool_nobody_asked_for_wins_when_its_document_fits_and_the_questions_are_far() -> None:
    found = Evidence({"asked": {"b": 0.3}}, {"asked": 0.3}, {"b": "s"})
    scores = blend({"a": 1.0, "b": 0.4}, [found], ["a"], Weights()).scores
    assert scores["a"] > scores["b"]


@given(st.lists(st.dictionaries(tools, st.floats(-1, 0.9), min_size=1), min_size=2, max_size=5))
def test_a_tool_that_is_nearest_to_the_whole_and_to_a_clause_comes_first(asked: list[dict[str, float]]) -> None:
    near = [of_text | {"first": 1.0} for of_text in asked]
    found = asked_near(*near)
    scores = blend({}, found, [], Weights()).scores
    assert scores.keys() == {tool for one in near for tool in one}
    assert max(scores.values()) == scores["first"] == 1.0


def test_of_tools_that_answer_the_same_clause_the_second_loses() -> None:
    near = {"first": 0.9, "second": 0.8, "other": 0.2}
    found = asked_near(near, near, {"other": 0.7})
    covered, crowded = (blend({}, found, [], Weights(), coverage=coverage) for coverage in (COVERAGE, 0.0))
    assert set(covered.behind) == {"second"}
    assert not crowded.behind
    assert max(covered.scores, key=covered.scores.__getitem__) == "first"
    assert covered.scores["second"] < crowded.scores["second"]


def test_beside_its_clauses_the_whole_query_counts_too() -> None:
    """Both clauses are as near to a question of `a` as of `b`; the whole is nearer to one of `a`."""
    found = asked_near({"a": 0.9, "b": 0.3}, {"b": 0.6}, {"a": 0.6})
    scores = blend({}, found, [], Weights()).scores
    assert scores["a"] > scores["b"]


async def test_a_bank_that_says_nothing_of_one_text_leaves_the_order_of_the_documents() -> None:
    class Forgetful(MemoryEngine):
        """Loses what it held while it is asked."""

        async def search(self, legs: Sequence[Leg], where: Filter) -> list[list[Hit]]:
            first, *rest = await super().search(legs, where)
            return [first, *([] for _ in rest)]

    query = "Read a file, then send a message to Ann."
    index, plain = await an_index(Forgetful(), web__get=used("read a file")), await an_index()
    assert ids(await ask(index, query)) == ids(await ask(plain, query))


async def test_of_a_query_with_many_needs_the_documents_are_asked_for_each() -> None:
    verbs = ("parse", "paint", "mount", "shred", "weigh")
    named = [document(f"s__{verb}", f"{verb} the item") for verb in verbs]
    index = ToolIndex(HashingEmbedder(), DictCache(), MemoryEngine(), MemoryEngine())
    await index.upsert([*named, replace(document("web__get", ""), questions=used("fetch the headlines of today"))])
    query = ". ".join(f"Please {verb} the item for me" for verb in verbs)
    assert set(ids(await ask(index, query, k=5))) == {tool.tool_id for tool in named}


@given(st.integers(6, 12))
def test_of_many_clauses_each_is_judged_by_its_own_documents(count: int) -> None:
    """Tool `n` is what the documents say of clause n, and nobody asked for any of them."""
    nothing = Evidence({"asked": {}}, {"asked": 0.0})
    own = [{str(n): 1.0} for n in range(count)]
    scores = blend({"x": 0.2}, [nothing] * (count + 1), [*map(str, range(count)), "x"], Weights(), own).scores
    assert all(scores[str(n)] > scores["x"] for n in range(count))


async def test_a_ranking_says_what_each_clause_makes_of_a_tool_where_that_is_asked_for() -> None:
    index = await an_index()
    request = SearchRequest(TENANT, ("Read a file, then send a message to Ann.",), 3, by_clause=True)
    [asked], [plain] = await index.search(request), await index.search(replace(request, by_clause=False))
    reading, sending = asked.by_clause
    assert reading["files__read"] == sending["mail__send"] == 1.0
    assert reading["mail__send"] < 1.0
    assert (plain.by_clause, ids(plain)) == ((), ids(asked))
