"""Which changes wait, and what was renamed to what."""

from __future__ import annotations

from typing import Any

import pytest

from domain.review import HIDDEN, HoldReason, is_semantic, launch_changes, launch_hash, renames, why_hold
from domain.servers import Launch, ReviewPolicy, Transport

TOOL: dict[str, Any] = {
    "name": "read",
    "description": "Reads. As of 2026-01-02.",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("change", "means_something"),
    [
        ({"description": "Reads. As of 2026-03-04."}, False),
        ({"icons": [{"src": "data:,"}]}, False),
        ({"_meta": {"a": 1}}, False),
        ({"description": "Reads it. As of 2026-01-02."}, True),
        ({"title": "Reader"}, True),
        ({"annotations": {"readOnlyHint": True}}, True),
        ({"outputSchema": {"type": "object"}}, True),
        ({"inputSchema": {"type": "object", "properties": {"path": {"type": "string", "minLength": 1}}}}, True),
        ({"x-unknown": 1}, True),
    ],
)
def test_all_but_dates_icons_and_meta_says_something_else(change: dict[str, Any], *, means_something: bool) -> None:
    after = {**TOOL, **change}

    assert is_semantic(TOOL, after) is means_something
    held = why_hold(ReviewPolicy.ACCEPT_NON_SEMANTIC, TOOL, after, pinned=False, warned=False)
    assert (held is HoldReason.POLICY) is means_something


@pytest.mark.parametrize("policy", ReviewPolicy)
def test_warnings_and_pins_hold_under_every_policy(policy: ReviewPolicy) -> None:
    assert why_hold(policy, TOOL, {**TOOL, "icons": []}, pinned=True, warned=True) is HoldReason.PINNED
    assert why_hold(policy, TOOL, {**TOOL, "icons": []}, pinned=False, warned=True) is HoldReason.WARNING


def test_a_new_tool_waits_unless_all_is_accepted() -> None:
    held = {policy: why_hold(policy, None, TOOL, pinned=False, warned=False) for policy in ReviewPolicy}
    assert held == {
        ReviewPolicy.ACCEPT: None,
        ReviewPolicy.ACCEPT_NON_SEMANTIC: HoldReason.POLICY,
        ReviewPolicy.HOLD: HoldReason.POLICY,
    }


def test_a_tool_under_a_new_name_is_recognised_by_all_else_or_by_its_schema() -> None:
    other = {**TOOL, "inputSchema": {"type": "object", "properties": {"url": {}}}, "description": "Fetches."}
    removed = {"s__read": TOOL, "s__fetch": {**other, "name": "fetch"}}
    added = {"s__get": {**other, "name": "get", "description": "Gets."}, "s__read_file": {**TOOL, "name": "read_file"}}

    assert renames(removed, added) == {"s__read": "s__read_file", "s__fetch": "s__get"}


def test_of_several_that_are_alike_none_is_guessed() -> None:
    removed = {f"s__{n}": {**TOOL, "name": n} for n in ("a", "b")}
    added = {f"s__{n}": {**TOOL, "name": n} for n in ("c", "d")}
    bare = {"name": "x", "inputSchema": {"type": "object"}}

    assert renames(removed, added) == {}
    assert renames({"s__x": bare}, {"s__y": {**bare, "name": "y"}}) == {}


def test_a_launch_differs_in_whatever_is_run_and_shows_no_secret() -> None:
    before = Launch(Transport.STDIO, ("npx", "server@1"), env={"TOKEN": "s3cret", "MODE": "a"})
    after = Launch(Transport.STDIO, ("npx", "server@1", "--evil"), env={"TOKEN": "0ther", "NEW": "b"})

    changes = launch_changes(before, after)

    assert launch_hash(before) != launch_hash(after)
    assert {change.path: change.kind for change in changes} == {
        "/command/2": "added", "/env/TOKEN": "changed", "/env/MODE": "removed", "/env/NEW": "added",
    }  # fmt: skip
    assert not {"s3cret", "0ther", "a", "b"} & {
        str(side) for change in changes for side in (change.before, change.after)
    }


def test_a_key_in_a_url_is_noticed_and_not_shown() -> None:
    before, after = (Launch(Transport.SSE, url=f"https://up.example/sse?key={key}") for key in ("one", "two"))

    [change] = launch_changes(before, after)

    assert (change.path, change.before, change.after) == ("/url", HIDDEN, HIDDEN)
