"""An answer that nothing fits says where to look further, over HTTP and to a model over MCP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.candidates import Candidate, Ranking
from domain.memory import MemoryChange, ToolMemory
from domain.sessions import SessionLimits
from gateway.mcp.server import _found
from gateway.presenters.answers import search_json
from gateway.use_cases.search import Answer, Filters, SearchAnswer

pytestmark = pytest.mark.anyio


def asked(*, abstained: bool) -> dict[str, Any]:
    near = tuple(Candidate(f"{server}__x{at}", server, 1.0) for at, server in enumerate("ccab"))
    ranking = Ranking("fold a boat", near[:1], "hybrid", abstained=abstained, nearest=near[1:])
    nothing = MemoryChange(ToolMemory(SessionLimits()))
    return search_json(SearchAnswer((Answer(ranking, (), Filters("local")),), "s_1", nothing))


def test_the_servers_of_what_was_nearest_are_named_once_each_nearest_first() -> None:
    [result] = asked(abstained=True)["results"]
    assert result["nearest_servers"] == ("c", "a", "b")


def test_an_answer_that_fits_names_none() -> None:
    [result] = asked(abstained=False)["results"]
    assert "nearest_servers" not in result


def test_a_model_reads_it_in_a_sentence() -> None:
    text = _found(asked(abstained=True))["content"][0]["text"]
    [result] = json.loads(text)["results"]
    assert result["note"] == "nothing fits well; the nearest servers are c, a, b"
