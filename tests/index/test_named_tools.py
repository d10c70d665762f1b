"""A tool that a query names is found, whatever else it says: in any spelling, with its server, and several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.embedders.fake import HashingEmbedder
from index.engines.memory import MemoryEngine
from index.exact import mentions
from index.ports import SearchRequest
from index.tool_index import ToolIndex
from tests.index.samples import TENANT, document
from tests.index.test_caching import DictCache

SERVERS = ("github", "mail", "files")
VERBS = ("list", "create", "delete", "update", "search", "merge")
NOUNS = ("issues", "labels", "branches", "drafts", "folders", "reports")
TOOLS = tuple((server, (verb, noun)) for server in SERVERS for verb in VERBS for noun in NOUNS)

SPELLINGS: dict[str, Callable[[str, tuple[str, str]], str]] = {
    "snake": lambda _, words: "_".join(words),
    "screaming": lambda _, words: "_".join(words).upper(),
    "camel": lambda _, words: words[0] + words[1].title(),
    "pascal": lambda _, words: words[0].title() + words[1].title(),
    "kebab": lambda _, words: "-".join(words),
    "tool id": lambda server, words: f"{server}__{'_'.join(words)}",
    "server and dot": lambda server, words: f"{server}.{words[0]}{words[1].title()}",
    "server and slash": lambda server, words: f"{server}/{'-'.join(words)}",
}
FILLERS = ("please use", "and then", "with", "on the report that Ann sent, after", "`", '"', ",", "(", "not forgetting")

named = st.lists(st.tuples(st.sampled_from(TOOLS), st.sampled_from(sorted(SPELLINGS))), min_size=1, max_size=4)
fillers = st.lists(st.sampled_from(FILLERS), min_size=5, max_size=5)


@pytest.fixture(scope="module")
def index() -> ToolIndex:
    """216 tools, every name three times: at each server once."""
    made = ToolIndex(HashingEmbedder(), DictCache(), MemoryEngine())
    documents = [document(f"{server}__{'_'.join(words)}", f"To {' '.join(words)}.") for server, words in TOOLS]
    asyncio.run(made.upsert(documents))
    return made


@settings(max_examples=60, deadline=None)
@given(wanted=named, between=fillers)
def test_every_tool_that_a_query_names_is_found(
    index: ToolIndex, wanted: list[tuple[tuple[str, tuple[str, str]], str]], between: list[str]
) -> None:
    query = between[0]
    expected: set[str] = set()
    for number, ((server, words), spelling) in enumerate(wanted):
        query += f" {SPELLINGS[spelling](server, words)} {between[number + 1]}"
        of_servers = (server,) if "server" in spelling or spelling == "tool id" else SERVERS
        expected |= {f"{one}__{'_'.join(words)}" for one in of_servers}
    [ranking] = asyncio.run(index.search(SearchRequest(TENANT, (query,), k=len(expected))))
    assert {candidate.tool_id for candidate in ranking.candidates} == expected
    assert all("exact" in candidate.stages for candidate in ranking.candidates)


@settings(max_examples=30, deadline=None)
@given(wanted=st.sampled_from(TOOLS), before=st.sampled_from(FILLERS), after=st.sampled_from(FILLERS))
def test_words_that_spell_a_name_include_its_tools(
    index: ToolIndex, wanted: tuple[str, tuple[str, str]], before: str, after: str
) -> None:
    server, words = wanted
    query = f"{before} {server} {' '.join(words)} {after} a long letter about the weather of the past week"
    [ranking] = asyncio.run(index.search(SearchRequest(TENANT, (query,), k=8)))
    assert f"{server}__{'_'.join(words)}" in {candidate.tool_id for candidate in ranking.candidates}


def test_a_beginning_is_one_in_a_short_query_or_where_it_is_spelled_as_a_name() -> None:
    assert mentions("listIs").prefixes == ("listis",)
    assert mentions("take list_is and tell me what the weather in Rome is").prefixes == ("listis",)
    assert mentions("book a room with late check-in, then look for a YouTube video of the city").prefixes == ()
