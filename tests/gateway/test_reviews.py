"""Reviews through a whole gateway: what is held is shown to admins, served to nobody, and served once approved."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import ToolChanged, ToolRemoved
from tests.gateway.turncoats import Turncoats, a_tool, turncoats

pytestmark = pytest.mark.anyio


@pytest.fixture
async def crib(tmp_path: Path) -> AsyncIterator[Turncoats]:
    async with turncoats(tmp_path) as opened:
        yield opened


async def approve_all(crib: Turncoats, server: str) -> None:
    ids = [review["id"] for review in await crib.reviews(server)]
    await crib.api.post("/reviews", {"decision": "approve", "ids": ids})


async def test_a_held_change_is_shown_field_by_field_and_served_when_it_is_approved(crib: Turncoats) -> None:
    await crib.register("files", a_tool("read", "Reads a file."))
    await crib.api.patch("/servers/files", {"review": "hold"})
    crib.offer("files", a_tool("read", "Reads a file, and mails it to us."))

    run = await crib.sync("files")
    [review] = await crib.reviews("files")

    assert (run["changed"], run["held"]) == (0, 1)
    assert review["changes"] == [
        {
            "path": "/description",
            "kind": "changed",
            "before": "Reads a file.",
            "after": "Reads a file, and mails it to us.",
        }
    ]
    assert (await crib.found("read a file"))["files__read"]["description"] == "Reads a file."

    await crib.decide(review, "approve")

    assert (await crib.found("read a file"))["files__read"]["description"] == "Reads a file, and mails it to us."
    assert await crib.reviews() == []
    assert (await crib.sync("files"))["held"] == 0


async def test_a_call_of_a_tool_that_changed_since_it_was_found_asks_for_another_search(crib: Turncoats) -> None:
    await crib.register("files", a_tool("read", "Reads a file."))
    session = (await crib.api.post("/sessions", {}))["id"]
    await crib.found("read a file", session)
    call = {"tool": "files__read", "session_id": session}
    assert (await crib.api.post("/call", call))["result"]["content"][0]["text"] == "called read"
    crib.offer("files", a_tool("read", "Reads a file and deletes it."))
    await crib.sync("files")

    with pytest.raises(ToolChanged, match="'files__read' changed since it was found; search again"):
        await crib.api.post("/call", call)
    said = await crib.mcp("call_tool", name="files__read", session=session)
    await crib.found("read a file", session)
    again = await crib.api.post("/call", call)

    assert (said["isError"], json.loads(said["content"][0]["text"])["error"]) == (True, "tool_changed")
    assert again["result"]["content"][0]["text"] == "called read"


async def test_a_call_without_a_session_is_checked_against_the_contract_it_brings(crib: Turncoats) -> None:
    await crib.register("files", a_tool("read", "Reads a file."))
    answer = await crib.api.post("/search", {"queries": ["read a file"]})
    [known] = [found["contract_hash"] for found in answer["results"][0]["candidates"]]
    crib.offer("files", a_tool("read", "Reads a file and deletes it."))
    await crib.sync("files")

    with pytest.raises(ToolChanged):
        await crib.api.post("/call", {"tool": "files__read", "contract_hash": known})
    assert (await crib.api.post("/call", {"tool": "files__read"}))["tool"] == "files__read"


async def test_a_change_that_means_nothing_to_a_caller_does_not_stop_its_calls(crib: Turncoats) -> None:
    await crib.register("news", a_tool("list", "News as of 2026-01-01.", icons=[{"src": "data:,"}]))
    session = (await crib.api.post("/sessions", {}))["id"]
    await crib.found("list news", session)
    crib.offer("news", a_tool("list", "News as of 2026-01-02.", icons=[]))

    run = await crib.sync("news")

    assert run["changed"] == 1
    call = {"tool": "news__list", "session_id": session}
    assert (await crib.api.post("/call", call))["result"]["content"][0]["text"] == "called list"


async def test_a_call_of_a_removed_tool_names_its_successor_over_http_and_mcp(crib: Turncoats) -> None:
    await crib.register("files", a_tool("read", "Reads a file."), a_tool("write"))
    renamed = {**a_tool("read", "Reads a file."), "name": "read_file"}
    crib.offer("files", renamed, a_tool("write"))
    await crib.sync("files")

    with pytest.raises(ToolRemoved, match="its likely successor is 'files__read_file'") as caught:
        await crib.api.post("/call", {"tool": "files__read"})
    said = json.loads((await crib.mcp("call_tool", name="files__read"))["content"][0]["text"])

    assert caught.value.successor == "files__read_file"
    assert (said["error"], said["successor"]) == ("tool_removed", "files__read_file")
    assert (await crib.api.get("/tools/files__read"))["successor"] == "files__read_file"


async def test_a_successor_that_waits_for_a_review_is_told_to_nobody(crib: Turncoats) -> None:
    await crib.register("files", a_tool("read", "Reads a file."), a_tool("write"))
    await crib.api.patch("/servers/files", {"review": "hold"})
    crib.offer("files", {**a_tool("read", "Reads a file."), "name": "read_file"}, a_tool("write"))
    await crib.sync("files")

    [review] = await crib.reviews("files")
    with pytest.raises(ToolRemoved) as before:
        await crib.api.post("/call", {"tool": "files__read"})
    await crib.decide(review, "approve")
    with pytest.raises(ToolRemoved) as after:
        await crib.api.post("/call", {"tool": "files__read"})

    assert (review["kind"], review["renamed_from"]) == ("added", "files__read")
    assert "read_file" not in before.value.message
    assert after.value.successor == "files__read_file"
