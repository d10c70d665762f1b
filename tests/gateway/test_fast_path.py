"""The fast path through the HTTP API: sessions that go on like recorded ones get the next tool first, and no policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from domain.events import Event, EventKind, Outcome
from domain.identity import LOCAL
from gateway.wiring import Toolcrib
from tests.gateway.toolcribs import a_crib, asking

pytestmark = pytest.mark.anyio

NAMES = ["open_case", "check_identity", "send_letter", "close_case"]
ORDER = ["files__open_case", "files__send_letter", "files__close_case"]
FOUND = [{"tool_id": f"files__{name}", "score": float(name == "check_identity"), "stages": {}} for name in NAMES]
WORDS = "see to the matter of Ada"


async def recorded(crib: Toolcrib, sessions: int = 60) -> None:
    """So many sessions in which one search was followed by the same three calls."""
    for number in range(sessions):
        handle = f"s_{number}"
        answer = {"query": WORDS, "shown": [], "candidates": FOUND}
        _record(crib, EventKind.SEARCH, handle, {"answers": [answer]})
        for tool_id in ORDER:
            _record(crib, EventKind.CALL, handle, {"tool_id": tool_id, "server": "files"})
    await crib.journal.flush()
    await crib.experiences.catch_up(LOCAL.tenant)
    assert crib.policy.fast is not None
    await crib.policy.fast.learn()


def _record(crib: Toolcrib, kind: EventKind, session: str, body: dict[str, Any], outcome: Outcome = Outcome.OK) -> None:
    crib.journal.record(Event(LOCAL.tenant, "local", kind, 1.0, session_id=session, outcome=outcome, body=body))


async def first_found(http: httpx2.AsyncClient, session: str, query: str = WORDS) -> dict[str, Any]:
    body = {"queries": [query], "k": 3, "session_id": session, "explain": True}
    answer = (await http.post("/api/v1/search", json=body)).json()
    found: dict[str, Any] = answer["results"][0]["candidates"][0]
    return found


async def a_session(http: httpx2.AsyncClient) -> str:
    handle: str = (await http.post("/api/v1/sessions", json={})).json()["id"]
    return handle


async def called(crib: Toolcrib, session: str, tool_id: str, outcome: Outcome = Outcome.OK) -> None:
    _record(crib, EventKind.CALL, session, {"tool_id": tool_id, "server": "files"}, outcome)
    await crib.journal.flush()


async def test_the_tool_that_usually_follows_comes_first_and_says_why(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        await recorded(crib)
        session = await a_session(http)
        await first_found(http, session)
        await called(crib, session, ORDER[0])
        found = await first_found(http, session)
        assert found["tool_id"] == ORDER[1]
        assert found["stages"]["inertia"] > 0.7
        state = (await http.get("/api/v1/policy")).json()["inertia"]
        assert (state["asked"], state["answered"], state["hit_rate"]) == (1, 1, 1.0)


async def test_after_a_failure_and_before_any_call_it_says_nothing(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        await recorded(crib)
        session = await a_session(http)
        assert "inertia" not in (await first_found(http, session))["stages"]
        await called(crib, session, ORDER[0], Outcome.TOOL_ERROR)
        assert "inertia" not in (await first_found(http, session))["stages"]


async def test_what_the_query_names_stays_on_top(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES) as crib, asking(crib) as http:
        await recorded(crib)
        session = await a_session(http)
        await first_found(http, session)
        await called(crib, session, ORDER[0])
        assert (await first_found(http, session, "check_identity"))["tool_id"] == "files__check_identity"


async def test_switched_off_it_learns_and_says_nothing(tmp_path: Path) -> None:
    async with a_crib(tmp_path, NAMES, inertia=False) as crib, asking(crib) as http:
        assert crib.policy.fast is None
        assert (await http.get("/api/v1/policy")).json()["inertia"] is None
