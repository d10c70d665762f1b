"""Tool documents: lossless, hashed twice, refused when they are no tools."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.canonical import canonical_json
from domain.errors import InvalidTool
from domain.text import clean, words
from domain.tools import ToolDocument

RAW: dict[str, Any] = {
    "name": "read_file",
    "description": "Read a file.",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string", "description": "Where."}}},
    "annotations": {"readOnlyHint": True},
    "_meta": {"vendor/x": 1},
}


def document(**changes: Any) -> ToolDocument:
    return ToolDocument.from_upstream("fs", "File System", {**RAW, **changes})


def test_the_upstream_json_is_kept_as_it_came() -> None:
    assert document().raw == RAW


def test_the_text_is_made_of_description_name_server_and_parameters() -> None:
    assert document().text.concat == "Read a file. read file File System path: Where."


@pytest.mark.parametrize(
    "change",
    [
        {"description": "Read one file."},
        {"annotations": {"readOnlyHint": False}},
        {"_meta": {"vendor/x": 2}},
        {"icons": []},
        {"outputSchema": {"type": "object"}},
        {"x-unknown": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_any_served_field_changes_the_contract_hash(change: dict[str, Any]) -> None:
    assert document(**change).contract_hash != document().contract_hash


def test_a_field_that_is_not_indexed_leaves_the_semantic_hash() -> None:
    assert document(annotations={}, icons=[]).semantic_hash == document().semantic_hash


def test_a_date_in_the_description_leaves_the_semantic_hash() -> None:
    monday = document(description="Rates as of 2026-11-23T10:00:00Z.")
    tuesday = document(description="Rates as of 2026-11-24T10:00:00Z.")
    assert monday.semantic_hash == tuesday.semantic_hash
    assert monday.contract_hash != tuesday.contract_hash


@pytest.mark.parametrize(
    "change",
    [{"name": ""}, {"name": 7}, {"name": "x" * 600}, {"inputSchema": None}, {"inputSchema": {"type": "string"}},
     {"inputSchema": "object"}, {"description": float("nan")}],
)  # fmt: skip
def test_what_is_no_tool_is_refused_with_a_reason(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidTool):
        document(**change)


@pytest.mark.parametrize("spelling", ["getUserById", "get_user_by_id", "get-user-by-id", "get.User.by.Id"])
def test_every_spelling_of_an_identifier_gives_the_same_words(spelling: str) -> None:
    assert words(spelling).lower() == "get user by id"


@given(st.text())
def test_cleaned_text_has_no_invisible_characters_and_is_stable(text: str) -> None:
    cleaned = clean(text)
    assert all(character.isprintable() or character == " " for character in cleaned)
    assert clean(cleaned) == cleaned


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_cleaned_as_it_is_beside_other_letters(text: str) -> None:
    assert clean(f"{text} \N{GREEK SMALL LETTER ALPHA}") == f"{clean(text)} \N{GREEK SMALL LETTER ALPHA}".strip()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_key_order_does_not_change_canonical_json(value: dict[str, Any]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)
