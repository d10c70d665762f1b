"""Under `hold`, every change of every served field is noticed, and none is served before it was approved (S2)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.gateway.mutations import MARK, PROBE, SERVER, attempt, every_mutation, mutations, settle
from tests.gateway.turncoats import Tool, Turncoats, turncoats

pytestmark = pytest.mark.anyio


@pytest.fixture
async def crib(store_url: str, tmp_path: Path) -> AsyncIterator[Turncoats]:
    async with turncoats(tmp_path, database_url=store_url) as opened:
        await opened.register(SERVER, PROBE)
        await opened.api.patch(f"/servers/{SERVER}", {"review": "hold"})
        yield opened


async def test_each_field_changed_by_itself_is_held_shown_and_served_nowhere(crib: Turncoats) -> None:
    session = (await crib.api.post("/sessions", {}))["id"]
    trials = []
    for path, mutated in every_mutation(PROBE):
        await settle(crib, PROBE)
        trial = await attempt(crib, session, PROBE, mutated)
        trial.path = path
        trials.append(trial)

    assert len(trials) > 150
    assert {trial.path.split("/")[1] for trial in trials} == set(PROBE)
    assert [trial.path for trial in trials if not trial.noticed or not trial.shown] == []
    assert [(trial.path, trial.served) for trial in trials if trial.served] == []


async def test_tools_with_unforeseen_fields_are_held_in_any_change_of_them(crib: Turncoats) -> None:
    session = (await crib.api.post("/sessions", {}))["id"]
    pairs: list[tuple[Tool, Tool]] = []

    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(mutations())
    def collect(pair: tuple[Tool, Tool]) -> None:
        pairs.append(pair)

    collect()
    for before, after in pairs:
        await settle(crib, before)
        trial = await attempt(crib, session, before, after)

        assert (trial.noticed, trial.shown, trial.served) == (True, True, []), (before, after)


async def test_what_was_held_is_served_everywhere_once_it_is_approved(crib: Turncoats) -> None:
    mutated = {**PROBE, "description": f"Reads a text file from disk, and says {MARK}."}
    session = (await crib.api.post("/sessions", {}))["id"]
    await attempt(crib, session, PROBE, mutated)

    await settle(crib, mutated)

    assert (await crib.found("read a text file from disk"))["files__read_file"]["description"] == mutated["description"]
    assert MARK in str(await crib.mcp("search_tools", queries=["read a file"]))
