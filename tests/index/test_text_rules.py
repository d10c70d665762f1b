"""Clauses, identifiers, name keys, sparse terms: the pure rules that queries and documents go through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.text import ToolText, words
from index.clauses import MAX_CLAUSES, clauses
from index.exact import MAX_WINDOWS, key, mentions, name_keys
from index.fields import DENSE_FIELDS, sparse_text
from index.sparse import SPARSE_VERSION, Bm25Encoder
from tests.index.samples import document


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("What is the weather in Paris?", ()),
        ("Find a cheap hotel. Then book a taxi ride to it", ("Find a cheap hotel.", "book a taxi ride to it")),
        ("salt and pepper", ()),
        ("read a file and send an email", ("read a file", "send an email")),
        (
            "convert 5 miles to km and then show the weather in Rome, please",
            ("convert 5 miles to km", "show the weather in Rome, please"),
        ),
        ("list open issues\n\ncreate a pull request", ("list open issues", "create a pull request")),
        (
            "Get the cash flow of Phoenix Ventures. Finally, retrieve the trade between China and India. Thank you!",
            ("Get the cash flow of Phoenix Ventures.", "retrieve the trade between China, India., Thank you!"),
        ),
        (
            "Post 'rain, wind and sun over Rome' to the channel, and {'a': 'b, c and d'} to the log of Ann",
            ("Post 'rain, wind and sun over Rome' to the channel", "{'a': 'b, c and d'} to the log of Ann"),
        ),
        ("", ()),
    ],
)
def test_a_query_is_split_where_a_new_need_begins(query: str, expected: tuple[str, ...]) -> None:
    assert clauses(query) == expected


@given(st.text(max_size=300))
def test_clauses_are_none_or_several_and_never_empty(query: str) -> None:
    found = clauses(query)
    assert len(found) != 1
    assert len(found) <= MAX_CLAUSES
    assert all(clause.strip() for clause in found)


@given(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=5))
def test_every_spelling_of_a_name_has_the_same_key(parts: list[str]) -> None:
    camel = parts[0] + "".join(part.title() for part in parts[1:])
    spellings = ("_".join(parts), "-".join(parts), " ".join(parts), camel, "_".join(parts).upper())
    assert {key(spelling) for spelling in spellings} == {"".join(parts)}
    assert key(words(camel)) == "".join(parts)


def test_a_tool_is_named_alone_behind_its_server_and_by_its_id() -> None:
    named = document("git-hub__list_issues", server="git-hub")
    assert set(name_keys(named)) == {"listissues", "githublistissues"}


def test_mentions_tell_names_from_words() -> None:
    found = mentions("please run `read_file` and github/createIssue on the pull request I gave you yesterday")
    assert found.exact == ("readfile", "githubcreateissue")
    assert "pullrequest" in found.phrases
    assert "readfile" not in found.phrases
    assert mentions("search").exact == ("search",)
    assert mentions("please search the whole web for me and my friend now").exact == ()


@given(st.text(max_size=2000))
def test_any_text_has_a_bounded_number_of_mentions(query: str) -> None:
    found = mentions(query)
    assert len(found.phrases) <= MAX_WINDOWS
    assert "" not in found.exact + found.phrases


def test_identifiers_are_words_for_documents_and_queries_alike() -> None:
    encoder = Bm25Encoder()
    stored = encoder.document(ToolText("", words("getUserById"), "calls fetchAccount of account_service", ""))
    for query in ("user", "getUserById", "get_user_by_id", "fetch account", "service"):
        asked = encoder.query(query)
        assert set(asked.indices) & set(stored.indices), query
    assert set(encoder.query("weather").indices).isdisjoint(stored.indices)
    assert encoder.query("the of and").indices == ()
    assert encoder.query("user \ud800").indices == encoder.query("user ?").indices


def test_a_query_weighs_each_term_once_and_a_document_by_frequency() -> None:
    encoder = Bm25Encoder()
    assert encoder.query("file file file").values == (1.0,)
    once, thrice = (encoder.document(ToolText("", "", "file " * n + "disk", "")) for n in (1, 3))
    [term] = encoder.query("file").indices
    weight = {n: dict(zip(v.indices, v.values, strict=True))[term] for n, v in ((1, once), (3, thrice))}
    assert weight[1] < weight[3] < 2.2, "saturates at k + 1"


def test_the_weights_of_a_document_are_what_the_version_says() -> None:
    """tf 1, three terms: (k + 1) / (1 + k (1 - b + b * 3 / 34))."""
    vector = Bm25Encoder().document(ToolText("", "", "alpha beta gamma", ""))
    assert vector.values == pytest.approx([2.2 / (1 + 1.2 * (0.25 + 0.75 * 3 / 34))] * 3)
    assert SPARSE_VERSION == "bm25:english:k1.2:b0.75:avg34:1"


def test_the_fields_of_a_tool() -> None:
    text = ToolText("Git Hub", "list issues", "Lists them.", "state: open or closed")
    assert {spec.name: list(spec.parts(text)) for spec in DENSE_FIELDS} == {
        "concat": [(1.0, "Lists them. list issues Git Hub state: open or closed")],
        "name": [(1.0, "list issues")],
    }
    assert sparse_text(text).startswith("list issues Lists them. list issues Git Hub")
