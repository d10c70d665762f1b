"""What one listing changes."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from domain.catalogue import CatalogueDiff
from domain.names import tool_id_for
from domain.tools import CatalogueTool, ToolDocument, ToolState
from sync.diff import diff
from tests.store.making import TENANT, a_document, a_tool

NAMES = st.one_of(
    st.sampled_from(["a", "b", "a b", "a_b", "a/b", "x" * 70, "x" * 71]), st.text(min_size=1, max_size=80)
)
VISIBLE_NAMES = NAMES.filter(lambda name: bool(name.strip()))
DOCUMENTS = st.lists(
    st.builds(
        lambda name, words, hint: a_document(name, description=words, annotations={"readOnlyHint": hint}),
        VISIBLE_NAMES,
        st.sampled_from(["Reads.", "Writes.", "As of 2026-01-02."]),
        st.booleans(),
    ),
    max_size=12,
    unique_by=lambda document: document.name,
)


def after(known: list[CatalogueTool], changes: CatalogueDiff) -> list[CatalogueTool]:
    """What the store holds once the diff is applied."""
    tools = {tool.tool_id: tool for tool in known}
    tools.update((tool.tool_id, tool) for tool in (*changes.added, *changes.changed))
    for tool_id in changes.removed:
        tools[tool_id] = replace(tools[tool_id], state=ToolState.REMOVED)
    return list(tools.values())


def history(*listings: list[ToolDocument]) -> list[CatalogueTool]:
    known: list[CatalogueTool] = []
    for generation, listing in enumerate(listings, start=1):
        known = after(known, diff(known, listing, TENANT, "files", generation))
    return known


def test_each_tool_lands_in_its_place() -> None:
    known = [
        a_tool("same"),
        a_tool("gone"),
        replace(a_tool("buried"), state=ToolState.REMOVED),
        replace(a_tool("back"), tool_id="files__back_kept", state=ToolState.REMOVED),
        a_tool("text", description="old"),
        a_tool("hint", annotations={"readOnlyHint": False}),
    ]
    listed = [
        a_document("same"),
        a_document("new"),
        a_document("back"),
        a_document("text", description="new"),
        a_document("hint", annotations={"readOnlyHint": True}),
    ]

    changes = diff(known, listed, TENANT, "files", 2)

    assert [(tool.tool_id, tool.generation) for tool in changes.added] == [("files__back_kept", 2), ("files__new", 2)]
    assert [tool.tool_id for tool in changes.changed] == ["files__hint", "files__text"]
    assert changes.reindexed == {"files__text"}
    assert changes.removed == ("files__gone",)
    assert changes.unchanged == 1


def test_a_new_title_of_the_server_reindexes_tools_whose_contract_is_the_same() -> None:
    raw = a_document("read").raw
    retitled = ToolDocument.from_upstream("files", "Documents", raw)

    changes = diff([a_tool("read")], [retitled], TENANT, "files", 2)

    assert (changes.changed[0].document, changes.reindexed) == (retitled, frozenset({"files__read"}))


def test_of_a_name_listed_twice_the_first_counts() -> None:
    first, second = a_document("read", description="first"), a_document("read", description="second")

    changes = diff([], [first, second], TENANT, "files", 1)

    assert [tool.document for tool in changes.added] == [first]


def test_a_renewed_date_changes_the_contract_but_not_the_index() -> None:
    known = [a_tool("news", description="As of 2026-01-01.")]

    changes = diff(known, [a_document("news", description="As of 2026-01-02.")], TENANT, "files", 2)

    assert (len(changes.changed), changes.reindexed) == (1, frozenset())


def test_names_that_look_alike_to_agents_get_ids_of_their_own() -> None:
    known = history([a_document(name) for name in ("a b", "a/b", "a_b")])

    assert {tool.document.name: tool.tool_id for tool in known} == {
        "a b": tool_id_for("files", "a b"),
        "a/b": tool_id_for("files", "a/b"),
        "a_b": "files__a_b",
    }
    assert len({tool.tool_id for tool in known}) == 3


@given(DOCUMENTS, DOCUMENTS)
def test_after_a_diff_is_applied_the_same_listing_changes_nothing(
    before: list[ToolDocument], listed: list[ToolDocument]
) -> None:
    known = history(before, listed)

    again = diff(known, listed, TENANT, "files", 3)

    assert again == CatalogueDiff(unchanged=len(listed))
    assert {tool.document.name for tool in known if tool.state is ToolState.ACTIVE} == {each.name for each in listed}


@given(DOCUMENTS, DOCUMENTS, st.randoms(use_true_random=False))
def test_the_order_of_both_sides_does_not_matter(
    before: list[ToolDocument], listed: list[ToolDocument], chance: random.Random
) -> None:
    known = history(before)
    expected = diff(known, listed, TENANT, "files", 2)
    chance.shuffle(known)
    chance.shuffle(listed)

    assert diff(known, listed, TENANT, "files", 2) == expected


@given(st.lists(DOCUMENTS, max_size=4))
def test_a_name_keeps_its_id_for_ever_and_ids_are_never_shared(listings: list[list[ToolDocument]]) -> None:
    ids: dict[str, str] = {}
    known: list[CatalogueTool] = []
    for generation, listing in enumerate(listings, start=1):
        known = after(known, diff(known, listing, TENANT, "files", generation))
        for tool in known:
            assert ids.setdefault(tool.document.name, tool.tool_id) == tool.tool_id

    assert len(set(ids.values())) == len(ids)
    assert all(tool_id.startswith("files__") and len(tool_id) <= 64 for tool_id in ids.values())
