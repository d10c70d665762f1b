"""One field of a tool changed at a time, and what a gateway that holds changes does about it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from domain.errors import InvalidTool
from domain.tools import ToolDocument
from tests.gateway.turncoats import Tool, Turncoats

MARK = "Zq7unapproved"
"""In every text that a mutation brings: it must not be found anywhere but among the reviews."""

SERVER = "files"

PROBE: Tool = {
    "name": "read_file",
    "title": "Read a file",
    "description": "Reads a text file from disk. As of 2026-01-02.",
    "inputSchema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "Where it lies", "minLength": 1, "examples": ["a", 1, None]},
            "options": {
                "type": "object",
                "properties": {"tail": {"anyOf": [{"type": "integer"}, {"$ref": "#/$defs/range"}], "default": 0}},
                "additionalProperties": False,
            },
        },
        "required": ["path"],
        "$defs": {"range": {"type": "array", "prefixItems": [{"type": "integer"}, {"const": 1.5}], "x-odd": True}},
    },
    "outputSchema": {"type": "object", "properties": {"text": {"type": "string", "description": "What it says"}}},
    "annotations": {"title": "Reader", "readOnlyHint": True, "destructiveHint": False, "x-later": 1},
    "icons": [{"src": "data:image/png;base64,AA", "mimeType": "image/png", "sizes": ["48x48"]}],
    "_meta": {"com.example/owner": {"team": "files", "level": 3}},
    "execution": {"taskSupport": "forbidden"},
    "x-vendor": ["kept", {"as": "it came"}],
}

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@dataclass(slots=True)
class Trial:
    """What became of one mutation."""

    path: str
    noticed: bool = False  # it waits for a review, or left the catalogue where it makes it no tool any more
    shown: bool = False  # the review says in which field it lies
    served: list[str] = field(default_factory=list)  # where it was served before anybody approved it


def every_mutation(raw: Tool) -> Iterator[tuple[str, Tool]]:
    """Each field, however deep: replaced, removed, and one beside it added. Those that leave no tool are left out."""
    for path in _paths(raw):
        for mutated in _around(raw, path):
            if is_tool(mutated):
                yield _pointer(path), mutated


@st.composite
def mutations(draw: st.DrawFn) -> tuple[Tool, Tool]:
    """A tool with fields that nobody foresaw, and the same with one change in any of them."""
    more = draw(st.dictionaries(st.text(min_size=1, max_size=6).filter(lambda key: key not in PROBE), JSON, max_size=3))
    before: Tool = {**copy.deepcopy(PROBE), **more}
    path = draw(st.sampled_from(list(_paths(before))))
    after = draw(st.sampled_from([one for one in _around(before, path) if is_tool(one)] or [_renamed(before)]))
    return before, after


def is_tool(raw: Tool) -> bool:
    try:
        ToolDocument.from_upstream(SERVER, SERVER, raw)
    except InvalidTool:
        return False
    return True


async def attempt(crib: Turncoats, session: str, before: Tool, after: Tool) -> Trial:
    """`before` is approved and listed; the server swaps it for `after` between a search and a call, then is synced."""
    trial = Trial(_where(before, after))
    approved = await served(crib, session)
    assert approved, "the approved tool is found"
    crib.offer(SERVER, after)
    await _call(crib, session, before)
    run = await crib.sync(SERVER)
    reviews = await crib.reviews(SERVER)
    trial.noticed = run["held"] == 1 and len(reviews) == 1
    trial.shown = trial.noticed and bool(reviews[0]["changes"])
    renamed = before["name"] != after["name"]
    now = await served(crib, session)
    if now != ({} if renamed else approved):
        trial.served.append("definition")
    if not renamed:
        await _call(crib, session, before)
    trial.served += [where for where, text in (await said(crib, session)).items() if MARK in text]
    return trial


async def settle(crib: Turncoats, tool: Tool) -> None:
    """`tool` is listed and approved, and nothing waits."""
    crib.offer(SERVER, tool)
    await crib.sync(SERVER)
    ids = [review["id"] for review in await crib.reviews(SERVER)]
    if ids:
        await crib.api.post("/reviews", {"decision": "approve", "ids": ids})


async def served(crib: Turncoats, session: str) -> dict[str, Any]:
    """Tool id -> definition of everything a search for the tool shows, over HTTP."""
    return await crib.found("read a text file from disk", session)


async def said(crib: Turncoats, session: str) -> dict[str, str]:
    """Everything that anybody but an admin at the reviews gets to read, by where."""
    found = await crib.api.post("/search", {"queries": [MARK, "read a file"], "k": 20, "explain": True})
    answers = {
        "search": [{**answer, "query": ""} for answer in found["results"]],
        "search at /mcp": await crib.mcp("search_tools", queries=["read a file"], session=session),
        "tools": await crib.api.get("/tools", limit=1000),
        "memory": await crib.api.get(f"/sessions/{session}/memory"),
        "servers": await crib.api.get("/servers"),
        "runs": await crib.api.get("/sync/runs"),
        "behind": [str(await crib.backend.behind())],
    }
    return {where: json.dumps(answer, ensure_ascii=False) for where, answer in answers.items()}


async def _call(crib: Turncoats, session: str, tool: Tool) -> None:
    said = await crib.api.post("/call", {"tool": f"{SERVER}__{tool['name']}", "session_id": session})
    assert said["result"]["content"][0]["text"] == f"called {tool['name']}"


def _around(raw: Tool, path: Sequence[str | int]) -> Iterator[Tool]:
    """The field at `path` replaced, removed, and one more beside it."""
    *above, last = path
    parent = _at(raw, above)
    for new in _others(parent[last]):
        yield _changed(raw, above, lambda place, new=new: place.__setitem__(last, new))
    if path != ["name"]:
        yield _changed(raw, above, lambda place: place.__delitem__(last))
    more = {MARK: 1} if isinstance(parent, dict) else None
    if more is not None:
        yield _changed(raw, above, lambda place: place.update(more))
    else:
        yield _changed(raw, above, lambda place: place.insert(last, MARK))


def _changed(raw: Tool, above: Sequence[str | int], change: Any) -> Tool:
    mutated = copy.deepcopy(raw)
    change(_at(mutated, above))
    return mutated


def _others(value: object) -> list[Any]:
    if isinstance(value, str):
        return [f"{value} {MARK}", f"{value}\u200b", value.swapcase() + "e"]
    if isinstance(value, bool):
        return [not value, int(value)]
    if isinstance(value, int):
        return [value + 1, float(value)]
    return [MARK] if isinstance(value, float | None) else [MARK, None]


def _paths(value: object, above: tuple[str | int, ...] = ()) -> Iterator[list[str | int]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inner:
        yield [*above, key]
        yield from _paths(below, (*above, key))


def _at(raw: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        raw = raw[key]
    return raw


def _renamed(raw: Tool) -> Tool:
    return {**raw, "name": f"{raw['name']}_{MARK}"}


def _pointer(path: Sequence[str | int]) -> str:
    return "".join(f"/{key}" for key in path)


def _where(before: Tool, after: Tool) -> str:
    """The top-level field that differs."""
    return next((key for key in {**before, **after} if before.get(key) != after.get(key)), "same to Python")
