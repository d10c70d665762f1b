"""The three meta-tools: small, constant, telling."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.mcp.meta_tools import BYTE_LIMIT, Behind, compact, definitions, instructions, rounded

SLUGS = st.lists(st.from_regex(r"[a-z0-9-]{1,14}", fullmatch=True), max_size=300, unique=True)


@given(SLUGS, st.integers(0, 10_000_000))
def test_the_definitions_never_exceed_their_bytes(slugs: list[str], tools: int) -> None:
    made = definitions(Behind(tuple(sorted(slugs)), tools))
    assert [tool["name"] for tool in made] == ["search_tools", "call_tool", "remove_tools"]
    assert len(compact(made)) <= BYTE_LIMIT


def test_the_text_names_what_is_behind_it() -> None:
    text = definitions(Behind(("git", "memory"), 57))[0]["description"]
    assert "50+ tools of 2 servers (git, memory)" in text


def test_a_few_more_tools_leave_the_text_as_it_is() -> None:
    assert definitions(Behind(("git",), 57)) == definitions(Behind(("git",), 69))


def test_the_instructions_say_to_search_first() -> None:
    assert "search_tools first" in instructions(Behind(("git",), 12))


@given(st.integers(10, 10**7))
def test_a_rounded_number_never_promises_more_than_there_is(count: int) -> None:
    assert count / 2 <= int(rounded(count).rstrip("+").replace(",", "")) <= count
