"""Spans of a JSON text are what a parser would have found there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.large_results.json_spans import items, members, span, text_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FORMS: list[dict[str, Any]] = [{}, {"ensure_ascii": False}, {"indent": 2}, {"separators": (",", ":")}]


@given(value=st.dictionaries(st.text(), VALUES), form=st.sampled_from(FORMS), before=st.sampled_from(["", " \r\n\t"]))
def test_members_are_found_where_they_stand(value: dict[str, Any], form: dict[str, Any], before: str) -> None:
    data = (before + json.dumps(value, **form) + "\n").encode()
    start, end = span(data, 0)
    assert data[start:end] == data.strip()
    found = {name: json.loads(data[first:last]) for name, first, last in members(data, start)}
    assert found == value


@given(value=st.lists(VALUES), form=st.sampled_from(FORMS))
def test_items_are_found_where_they_stand(value: list[Any], form: dict[str, Any]) -> None:
    data = json.dumps(value, **form).encode()
    assert [json.loads(data[first:last]) for first, last in items(data, 0)] == value


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 100_000, {"a": ['\\"' * 5_000, {}]}],
        [{"id": number, "row": [number] * 3} for number in range(3_000)],
        [[[[["]", "}", '"']]]], "[" * 400, list(range(500))],
    ],
    ids=["long strings", "rows", "brackets in strings"],
)
def test_what_takes_many_steps_ends_where_it_should(value: list[Any]) -> None:
    data = json.dumps(value).encode() + b', "behind": [1]'
    assert span(data, 0) == (0, len(data) - len(b', "behind": [1]'))
    assert [json.loads(data[first:last]) for first, last in items(data, 0)] == value


@given(text=st.text(), form=st.sampled_from(FORMS[:2]))
def test_a_string_says_what_a_parser_reads(text: str, form: dict[str, Any]) -> None:
    data = json.dumps(text, **form).encode()
    assert b"".join(text_of(data, 0, len(data))) == text.encode()


def test_a_long_string_comes_in_pieces_with_its_escapes_whole() -> None:
    text = 'a\n\\"é😀' * 100_000
    data = json.dumps(text).encode()
    pieces = list(text_of(data, 0, len(data)))
    assert len(pieces) > 2
    assert "".join(piece.decode() for piece in pieces) == text


@pytest.mark.parametrize("half", [rb'"\ud83d"', rb'"a\ude00b"', rb'"\ud83d\u0041"', rb'"\ud83d\ud83d\ude00"'])
def test_half_a_character_is_refused(half: bytes) -> None:
    with pytest.raises(ValueError, match="no character"):
        list(text_of(half, 0, len(half)))


@pytest.mark.parametrize(
    "broken", [b"", b"{", b'{"a"}', b'{"a":1', b'{"a":1 2}', b"{1:2}", b'{"a":', b'"', b"[1,", b"}"]
)
def test_what_is_no_json_is_refused(broken: bytes) -> None:
    def walk() -> None:
        start, _ = span(broken, 0)
        list(members(broken, start))

    with pytest.raises(ValueError, match="byte"):
        walk()
