"""What operators may lay over a tool, and what agents then see."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.names import SEPARATOR, tool_id_for
from domain.overlays import NONE, RESERVED, Overlay
from domain.tools import ToolDocument
from gateway.mcp.meta_tools import META_TOOLS

RAW = {"title": "T", "name": "read.file", "description": "Reads.", "inputSchema": {"type": "object"}, "x": [1]}
DOCUMENT = ToolDocument.from_upstream("fs", "Files", RAW)


def test_a_definition_keeps_everything_but_what_was_laid_over_it() -> None:
    served = Overlay("read", "Reads a file of ours.").definition("fs__read_file_1", RAW)
    assert served == {**RAW, "name": "read", "description": "Reads a file of ours."}
    assert list(served) == ["name", "title", "description", "inputSchema", "x"]


def test_without_an_overlay_only_the_name_is_ours_and_no_text_is_embedded_again() -> None:
    assert NONE.definition("fs__read_file_1", RAW) == {**RAW, "name": "fs__read_file_1"}
    assert NONE.text(DOCUMENT.text) == DOCUMENT.text
    assert NONE.semantic_hash(DOCUMENT.text, DOCUMENT.semantic_hash) == DOCUMENT.semantic_hash


def test_the_indexed_text_and_its_hash_are_those_of_the_served_tool() -> None:
    overlay = Overlay("fetchReport", "Brings   it.")
    text = overlay.text(DOCUMENT.text)
    assert (text.name, text.description) == ("fetch Report", "Brings it.")
    assert (text.server, text.parameters) == (DOCUMENT.text.server, DOCUMENT.text.parameters)
    hashed = overlay.semantic_hash(DOCUMENT.text, DOCUMENT.semantic_hash)
    assert hashed != DOCUMENT.semantic_hash
    assert hashed != Overlay("fetchReport").semantic_hash(DOCUMENT.text, DOCUMENT.semantic_hash)


@pytest.mark.parametrize("alias", ["", "a b", "é", "a.b", "x" * 65, "git__status", "call_tool"])
def test_an_alias_that_could_not_be_served_or_mean_something_else_is_refused(alias: str) -> None:
    with pytest.raises(InvalidInput, match="alias"):
        Overlay(alias=alias)


@pytest.mark.parametrize("description", ["", " \n ", "\u200b", "x" * 4097, "a\0b", "a\x1b[31m", "\ud800"])
def test_a_description_without_words_or_with_control_characters_is_refused(description: str) -> None:
    with pytest.raises(InvalidInput, match="description"):
        Overlay(description=description)


def test_toolcribs_own_names_are_reserved() -> None:
    assert RESERVED == META_TOOLS


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.text(min_size=1, max_size=80))
def test_an_alias_is_never_the_id_of_a_tool(alias: str, name: str) -> None:
    try:
        laid = Overlay(alias=alias)
    except InvalidInput:
        assert SEPARATOR in alias or alias in RESERVED
        return
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", laid.alias or "")
    assert laid.alias != tool_id_for("server", name)
