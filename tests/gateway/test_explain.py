"""What a search explains beside its answer: which filters a tool had to pass, and what they left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from domain.candidates import Candidate, Ranking
from domain.identity import LOCAL
from gateway.presenters.answers import search_json
from gateway.use_cases.search import Answer, Filters, SearchAnswer
from tests.gateway.toolcribs import a_crib, asking

pytestmark = pytest.mark.anyio


async def results(folder: Path, **more: Any) -> dict[str, Any]:
    async with a_crib(folder, ["read_file", "write_file"]) as crib, asking(crib) as client:
        answer = await client.post("/api/v1/search", json={"queries": ["read a file"], **more})
        return dict(answer.json()["results"][0])


async def test_an_explained_search_says_whose_active_tools_were_searched(tmp_path: Path) -> None:
    found = await results(tmp_path, explain=True)
    assert found["filters"] == {"tenant": LOCAL.tenant, "servers": [], "state": "active", "left_out": []}


async def test_a_search_that_is_not_explained_says_nothing_of_filters(tmp_path: Path) -> None:
    assert "filters" not in await results(tmp_path)


def test_a_tool_that_the_index_found_and_the_record_does_not_serve_is_named() -> None:
    ranking = Ranking("read", (Candidate("files__gone", "files", 1.0),), "hybrid")
    answer = SearchAnswer((Answer(ranking, (), Filters("local", left_out=("files__gone",))),))
    [result] = search_json(answer, explain=True)["results"]
    assert result["candidates"] == []
    assert result["filters"]["left_out"] == ("files__gone",)
