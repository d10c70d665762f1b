"""`TOOLCRIB_ADAPTER`: an adapter that was learnt from the log changes the order of what a search finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.identity import LOCAL
from domain.trajectories import StepCandidate
from gateway.settings import Settings
from gateway.use_cases.search import Ask
from gateway.wiring import Toolcrib, open_toolcrib
from index.embedders.minilm import MiniLMEmbedder
from policy_client.ope.choices import Decision
from rl.adapter.fit import fit_adapter
from tests.store.making import a_server, a_tool, adding

pytestmark = pytest.mark.anyio

NAMES = ["weather", "invoice", "calendar", "translate"]
QUERY = "the weather of tomorrow"


async def learnt(folder: Path, embedder: str | None = None) -> Path:
    """From a log in which the calendar, and nothing else, helped whoever asked for the weather."""
    candidates = tuple(StepCandidate(f"files__{name}", 1.0 - 0.2 * place) for place, name in enumerate(NAMES))
    model = MiniLMEmbedder()
    queries = [f"{QUERY} {number}" for number in range(12)]
    vectors = dict(zip(queries, await model.embed(queries), strict=True))
    log = [
        Decision(query, candidates, chosen, 0.25, float(chosen == 2))
        for query in queries
        for chosen in range(len(NAMES))
    ]
    fit_adapter(log, vectors, embedder or model.version).save(folder)
    await model.close()
    return folder


async def found(crib: Toolcrib) -> list[str]:
    [answer] = (await crib.search(LOCAL, Ask((QUERY,), k=2))).answers
    return [candidate.tool_id for candidate in answer.ranking.candidates]


async def filled(crib: Toolcrib) -> None:
    await crib.store.servers.add(a_server())
    await crib.store.catalogue.apply(LOCAL.tenant, "files", adding(*map(a_tool, NAMES)), expected_generation=0, at=1.0)
    await crib.indexer.drain()


async def test_the_adapter_of_the_setting_decides_the_order_and_is_part_of_the_version(tmp_path: Path) -> None:
    async with open_toolcrib(Settings(data=tmp_path), follow=False) as plain:
        await filled(plain)
        before, version = await found(plain), plain.freshness.versions().index
    adapter = await learnt(tmp_path / "adapter")
    async with open_toolcrib(Settings(data=tmp_path, adapter=adapter), follow=False) as crib:
        assert before[0] == "files__weather"
        assert (await found(crib))[0] == "files__calendar"
        assert crib.freshness.versions().index != version


async def test_an_adapter_of_another_embedder_or_none_at_all_is_said_at_the_start(tmp_path: Path) -> None:
    other = await learnt(tmp_path / "other", "somebody-elses")
    with pytest.raises(InvalidInput, match="trained on vectors of somebody-elses"):
        async with open_toolcrib(Settings(data=tmp_path, adapter=other), follow=False):
            pass
    with pytest.raises(InvalidInput, match="holds no adapter"):
        async with open_toolcrib(Settings(data=tmp_path, adapter=tmp_path / "none"), follow=False):
            pass
