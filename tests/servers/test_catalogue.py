"""Draining a listing, page by page, without a server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import UpstreamProtocolError
from domain.servers import Launch, Transport, UpstreamServer
from servers.catalogue import collect
from servers.limits import Caps
from servers.listing import LateDocuments
from servers.negotiation import Era, Peer

pytestmark = pytest.mark.anyio

SERVER = UpstreamServer("t", "up", "Up", Launch(Transport.STDIO, ("x",)))
MODERN = Peer(Era.MODERN, "2026-07-28", None, None, None, has_tools=True, announces_changes=False)
HANDSHAKE = Peer(Era.HANDSHAKE, "2025-06-18", None, None, None, has_tools=True, announces_changes=False)


def tool(name: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", **schema}}


def pages(*contents: Mapping[str, Any]) -> Callable[[str | None], Awaitable[Mapping[str, Any]]]:
    async def fetch(cursor: str | None) -> Mapping[str, Any]:
        number = int(cursor or 0)
        more = {"nextCursor": str(number + 1)} if number + 1 < len(contents) else {}
        return {**contents[number], **more}

    return fetch


async def test_the_shortest_ttl_of_the_pages_counts() -> None:
    fetch = pages(
        {"tools": [], "ttlMs": 60_000}, {"tools": [], "ttlMs": 5_000.0}, {"tools": []}, {"tools": [], "ttlMs": -1}
    )
    assert (await collect(SERVER, MODERN, Caps(), fetch)).ttl_ms == 5_000


async def test_an_empty_cursor_is_the_end() -> None:
    listing = await collect(SERVER, MODERN, Caps(), pages({"tools": [tool("a")], "nextCursor": ""}))
    assert [document.name for document in listing.documents] == ["a"]


@pytest.mark.parametrize("cursor", [7, {"a": 1}, ["a"], False])
async def test_a_cursor_that_is_no_text_is_a_protocol_error(cursor: object) -> None:
    with pytest.raises(UpstreamProtocolError, match="a cursor that is no text"):
        await collect(SERVER, MODERN, Caps(), pages({"tools": [], "nextCursor": cursor}))


async def test_more_tools_than_the_cap_are_not_taken_at_all() -> None:
    fetch = pages({"tools": [tool(str(number)) for number in range(11)]})
    with pytest.raises(
        UpstreamProtocolError, match="because it has more than 10 tools; what was stored before is kept"
    ):
        await collect(SERVER, MODERN, Caps(tools=10), fetch)


async def test_mirrored_headers_are_learnt_and_invalid_ones_cost_only_their_tool() -> None:
    mirrored = tool("a", properties={"region": {"type": "string", "x-mcp-header": "Region"}})
    invalid = tool("b", properties={"region": {"type": "string", "x-mcp-header": "no token"}})
    fetch = pages({"tools": [mirrored, invalid, tool("c")]})
    listing = await collect(SERVER, MODERN, Caps(), fetch)
    assert [document.name for document in listing.documents] == ["a", "c"]
    assert listing.mirrored == {"a": {("region",): "Region"}}
    assert listing.warnings[0].startswith("Tool 'b' of server 'up' asks for an invalid mirrored header")
    older = await collect(SERVER, HANDSHAKE, Caps(), fetch)
    assert ([document.name for document in older.documents], older.mirrored) == (["a", "b", "c"], {})


async def test_a_listing_of_nothing_but_rubbish_warns_a_hundred_times_and_not_more() -> None:
    listing = await collect(SERVER, MODERN, Caps(), pages({"tools": [None] * 1000}))
    assert (len(listing.documents), len(listing.warnings)) == (0, 100)


async def test_a_number_of_thousands_of_digits_costs_only_its_tool() -> None:
    listing = await collect(SERVER, MODERN, Caps(), pages({"tools": [tool("a", maximum=10**5000), tool("b")]}))
    assert [document.name for document in listing.documents] == ["b"]
    assert "no JSON" in listing.warnings[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
ENTRIES = st.lists(JSON | st.builds(tool, st.sampled_from(["a", "b", "c", ""])), max_size=6)


@given(ENTRIES)
async def test_whatever_is_listed_every_entry_is_kept_once_or_warned_about(entries: list[Any]) -> None:
    listing = await collect(SERVER, MODERN, Caps(), pages({"tools": entries}))
    names = [document.name for document in listing.documents]
    assert len(names) == len(set(names))
    assert len(listing.documents) + len(listing.warnings) == len(entries)
    assert all(document.raw in entries for document in listing.documents)


async def test_the_same_listing_again_has_the_same_digest_and_its_documents_are_made_when_asked_for() -> None:
    listed = {"tools": [tool("a"), "rubbish", tool("b", properties={"n": {"enum": [1]}})], "ttlMs": 1}
    first = await collect(SERVER, MODERN, Caps(), pages(listed))
    again = await collect(SERVER, MODERN, Caps(), pages({**listed, "ttlMs": 2}), replace(first, documents=()))
    assert again.digest == first.digest != ""
    assert isinstance(again.documents, LateDocuments)
    assert (list(again.documents), len(again.documents), again.documents[1]) == (
        list(first.documents),
        2,
        first.documents[1],
    )
    assert (again.warnings, again.ttl_ms, first.ttl_ms) == (first.warnings, 2, 1)


ONE = {"tools": [tool("a", properties={"n": {"enum": [1]}})]}


@pytest.mark.parametrize(
    "other",
    [
        {"tools": [tool("a", properties={"n": {"enum": [True]}})]},
        {"tools": [tool("a", properties={"n": {"enum": [1.0]}})]},
        {"tools": [tool("a", properties={"n": {"enum": ["1"]}})]},
        {"tools": [tool("a", properties={"n": {"enum": [1], "x": None}})]},
        {"tools": [*ONE["tools"], *ONE["tools"]]},
        {"tools": []},
    ],
)
async def test_whatever_is_different_in_a_listing_has_another_digest(other: Mapping[str, Any]) -> None:
    first = await collect(SERVER, MODERN, Caps(), pages(ONE))
    second = await collect(SERVER, MODERN, Caps(), pages(other), replace(first, documents=()))
    assert second.digest != first.digest
    assert second.documents == (await collect(SERVER, MODERN, Caps(), pages(other))).documents


async def test_a_listing_that_cannot_be_written_down_is_never_taken_for_the_same() -> None:
    odd = {"tools": [tool("a", maximum=10**5000, title="\ud800")]}
    first = await collect(SERVER, MODERN, Caps(), pages(odd))
    assert first.digest == ""
    again = await collect(SERVER, MODERN, Caps(), pages(odd), first)
    assert again.warnings == first.warnings != ()
