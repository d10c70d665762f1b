"""The vectors of a point: which an index keeps, and what a weighted average of them is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.text import ToolText
from index.documents import field_texts, point
from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.fields import ALL_FIELDS, DENSE_FIELDS, TDWA, TDWA_WEIGHTS
from index.options import IndexOptions
from index.ports import IndexDocument, SearchRequest
from index.profiles import PROFILES, fields_of
from index.sparse import Bm25Encoder
from index.templates import template_questions
from index.tool_index import ToolIndex
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

pytestmark = pytest.mark.anyio

TOOLS = [document("weather__get_forecast", "Weather of a city."), document("files__read_file", "Reads from disk.")]
WORDS = st.text("abcdefgh ", max_size=30).map(str.strip)


async def index_for(profile: str) -> ToolIndex:
    index = ToolIndex(
        HashingEmbedder(), DictCache(), MemoryEngine(), options=IndexOptions(fields_of(PROFILES[profile]))
    )
    await index.upsert(TOOLS)
    return index


def test_an_index_keeps_two_vectors_a_tool_and_more_only_where_its_profile_weighs_them() -> None:
    kept = {name: {spec.name for spec in fields_of(profile)} for name, profile in PROFILES.items()}
    more = {name: fields - {"concat", "name"} for name, fields in kept.items() if fields != {"concat", "name"}}
    assert more == {"tdwa": {"tdwa"}, "weighted": {"description", "parameters", "questions"}}


@given(name=WORDS.filter(bool), description=WORDS, parameters=WORDS)
async def test_every_tool_has_every_vector_whatever_it_leaves_out(name: str, description: str, parameters: str) -> None:
    tool = IndexDocument(TENANT, "s__t", "s", ToolText("s", name, description, parameters), "hash", 1)
    texts = field_texts(tool, ALL_FIELDS)
    made = point(tool, await HashingEmbedder().embed(texts), Bm25Encoder(), ALL_FIELDS)
    assert set(made.dense) == {spec.name for spec in ALL_FIELDS}
    assert all(np.linalg.norm(vector) == pytest.approx(1, abs=1e-5) for vector in made.dense.values())


async def test_tdwa_is_the_weighted_sum_of_its_components_of_unit_length() -> None:
    tool, embedder = TOOLS[0], HashingEmbedder()
    [of_tdwa] = [spec for spec in ALL_FIELDS if spec.name == TDWA]
    made = point(tool, await embedder.embed(field_texts(tool, [of_tdwa])), Bm25Encoder(), [of_tdwa])
    asked = [question.text for question in template_questions(tool.text)]
    components = {
        "name": [tool.text.name],
        "description": [tool.text.description],
        "parameters": [tool.text.concat],  # it has none
        "questions": asked,
    }
    vectors = {name: (await embedder.embed(texts)).mean(axis=0) for name, texts in components.items()}
    expected = sum(weight * vectors[name] for name, weight in TDWA_WEIGHTS.items())
    assert made.dense[TDWA] == pytest.approx(expected / np.linalg.norm(expected), abs=1e-6)


async def test_weights_of_a_query_are_applied_to_the_cosines_of_the_fields() -> None:
    index = await index_for("weighted")
    [ranking] = await index.search(SearchRequest(TENANT, ("weather in a city",), 2, "weighted"))
    assert [one.tool_id for one in ranking.candidates] == ["weather__get_forecast", "files__read_file"]
    for one in ranking.candidates:
        assert one.score == pytest.approx(sum(w * one.stages[name] for name, w in TDWA_WEIGHTS.items()))


async def test_a_profile_that_weighs_what_an_index_does_not_keep_says_so() -> None:
    index = await index_for("hybrid")
    with pytest.raises(InvalidInput, match=r"no vectors of tdwa.*TOOLCRIB_PROFILE=tdwa"):
        await index.search(SearchRequest(TENANT, ("weather",), 2, "tdwa"))


async def test_indexes_of_other_fields_are_other_indexes() -> None:
    assert len({(await index_for(name)).version for name in ("hybrid", "tdwa", "weighted")}) == 3
    assert (await index_for("hybrid")).version == (await index_for("bm25")).version
    assert "concat+name|" in (await index_for("hybrid")).version
    assert len(DENSE_FIELDS) == 2
