"""Another embedding model: what serves meanwhile, what is remembered, and that the two are never mixed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from domain.errors import EmbedderUnavailable
from index.embedders.fake import HashingEmbedder
from index.live import LiveIndex, Place, open_live
from index.ports import Embedder, Matrix, SearchRequest
from index.tool_index import ToolIndex, open_index
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

TOOLS = [document(f"s__tool_{word}", f"Does {word}.") for word in ("alpha", "beta", "gamma")]
REQUEST = SearchRequest(TENANT, ("does beta",), 3)


class Waiting(HashingEmbedder):
    """Embeds when the gate is open."""

    def __init__(self, dimension: int, gate: asyncio.Event) -> None:
        super().__init__(dimension)
        self._gate = gate

    async def embed(self, texts: Sequence[str]) -> Matrix:
        await self._gate.wait()
        return await super().embed(texts)


class Models:
    """Recipes that are at hand; `h32` is a model of 32 dimensions. Those in `away` cannot be had."""

    def __init__(self) -> None:
        self.dimensions: Mapping[str, int] = {"minilm": 16, "h32": 32, "h64": 64}
        self.away: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, recipe: str, dimension: int | None) -> Embedder:
        del dimension
        if recipe in self.away:
            raise EmbedderUnavailable(f"{recipe} is away.")
        return Waiting(self.dimensions[recipe], self.gate)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, DictCache())


async def filled(index: ToolIndex) -> None:
    await index.upsert(TOOLS)
    await index.advance(3)


async def found(live: LiveIndex) -> tuple[str, tuple[str, ...]]:
    """The best tool, and what was left out."""
    [ranking] = await live.search(REQUEST)
    return ranking.candidates[0].tool_id, ranking.degraded


def folders(root: Path) -> int:
    return sum(1 for entry in root.iterdir() if entry.is_dir())


async def test_the_first_index_is_built_with_the_model_asked_for(place: Place, tmp_path: Path) -> None:
    live = await open_live(place, Models(), "h32")
    assert (live.is_current, live.state) == (True, "h32 answers")
    await filled(live.serving)
    await live.close()
    again = await open_live(place, Models(), "h32")
    assert (again.is_current, await again.cursor(), folders(tmp_path)) == (True, 3, 1)
    assert await found(again) == ("s__tool_beta", ())
    await again.close()


async def test_the_old_index_answers_with_the_old_model_until_the_new_one_is_built(
    place: Place, tmp_path: Path
) -> None:
    models = Models()
    live = await open_live(place, models, "h32")
    await filled(live.serving)
    await live.close()

    live = await open_live(place, models, "h64")
    assert (live.is_current, await live.cursor()) == (False, 3)
    assert "until the index of h64 is built" in live.state
    old = live.version
    successor = await live.successor()
    assert await successor.cursor() == 0
    assert await found(live) == ("s__tool_beta", ())
    await filled(successor)
    await live.swap()
    assert (live.is_current, live.version == old, live.serving is successor) == (True, False, True)
    assert await found(live) == ("s__tool_beta", ())
    assert folders(tmp_path) == 1
    await live.close()
    assert (await reopened(place, models, "h64")) == (True, 3)


async def reopened(place: Place, models: Models, recipe: str) -> tuple[bool, int]:
    live = await open_live(place, models, recipe)
    state = (live.is_current, await live.cursor())
    await live.close()
    return state


async def test_a_half_built_index_is_gone_on_with_after_a_restart(place: Place) -> None:
    models = Models()
    live = await open_live(place, models, "h32")
    await filled(live.serving)
    await live.close()
    live = await open_live(place, models, "h64")
    await (await live.successor()).upsert(TOOLS[:2])
    await live.close()
    live = await open_live(place, models, "h64")
    assert await found(live) == ("s__tool_beta", ())
    assert len(await (await live.successor()).inventory()) == 2
    await live.close()


async def test_a_search_that_is_under_way_at_the_swap_ends_in_the_index_where_it_began(place: Place) -> None:
    models = Models()
    live = await open_live(place, models, "h32")
    await filled(live.serving)
    await live.close()
    live = await open_live(place, models, "h64")
    await filled(await live.successor())
    models.gate.clear()
    searching = asyncio.create_task(live.search(REQUEST))
    await asyncio.sleep(0)
    swapping = asyncio.create_task(live.swap())
    while not live.is_current:  # noqa: ASYNC110 - the swap's first half runs in a thread
        await asyncio.sleep(0)
    assert not swapping.done()
    models.gate.set()
    [ranking] = await searching
    assert (ranking.candidates[0].tool_id, ranking.degraded) == ("s__tool_beta", ())
    await swapping
    await live.close()


async def test_a_model_that_cannot_be_had_is_replaced_by_what_there_is_and_missed_aloud(place: Place) -> None:
    models = Models()
    models.away = {"h64"}
    live = await open_live(place, models, "h64")
    await filled(live.serving)
    assert await found(live) == ("s__tool_beta", ("embedder",))
    assert live.state == "minilm answers, because h64 cannot be had: h64 is away."
    with pytest.raises(EmbedderUnavailable):
        await live.successor()
    models.away = set()
    await filled(await live.successor())
    assert await found(live) == ("s__tool_beta", ())
    await live.swap()
    assert live.state == "h64 answers"
    await live.close()


async def test_without_its_own_model_an_index_is_still_searched_by_words(place: Place) -> None:
    models = Models()
    live = await open_live(place, models, "h32")
    await filled(live.serving)
    await live.close()
    models.away = {"h32", "h64"}
    live = await open_live(place, models, "h64")
    assert await found(live) == ("s__tool_beta", ("embedder",))
    await live.close()


async def test_a_change_back_before_the_new_index_is_built_costs_nothing(place: Place, tmp_path: Path) -> None:
    models = Models()
    live = await open_live(place, models, "h32")
    await filled(live.serving)
    await live.close()
    live = await open_live(place, models, "h64")
    await live.successor()
    await live.close()
    assert await reopened(place, models, "h32") == (True, 3)
    assert folders(tmp_path) == 1


async def test_an_index_of_an_earlier_version_lies_in_the_folder_itself_and_is_adopted(tmp_path: Path) -> None:
    cache = DictCache()
    flat = await open_index(HashingEmbedder(16), cache=cache, path=tmp_path)
    await filled(flat)
    await flat.close()
    place = Place(tmp_path, cache)
    assert await reopened(place, Models(), "minilm") == (True, 3)
    live = await open_live(place, Models(), "h32")
    assert (live.is_current, await found(live)) == (False, ("s__tool_beta", ()))
    await live.close()


async def test_a_record_that_cannot_be_read_is_as_none(place: Place, tmp_path: Path) -> None:
    assert await reopened(place, Models(), "h32") == (True, 0)
    for broken in ("", "[]", '{"recipe": "h32"}', '{"recipe": "h32", "embedder": 1, "dimension": 2, "manifest": 3}'):
        (tmp_path / "serving.json").write_text(broken)
        assert await reopened(place, Models(), "h32") == (True, 0)
