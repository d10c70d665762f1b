"""Every pruner and searcher keeps to its port, and the rule stands in for one that fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator

import pytest

from domain.memory import ToolMemory
from domain.memory_entries import MemoryEntry
from domain.memory_ports import Deciders, Pruner, RulePruner, RuleSearcher, Searcher, Verdict
from domain.memory_turns import due
from domain.sessions import MemoryMode, PrunerKind, SessionLimits
from policy_client.http.chat import ChatClient
from policy_client.http.endpoint import Endpoint
from policy_client.http.json_client import JsonClient
from policy_client.memory import ModelPruner, ModelSearcher
from tests.policy_client.model_server import ModelServer, model_server, refused

pytestmark = pytest.mark.anyio

MESSAGES = ["write to Ann", "and list the files of the folder"]


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
async def chat(server: ModelServer) -> AsyncIterator[ChatClient]:
    client = ChatClient(JsonClient(Endpoint(server.url, model="small")))
    yield client
    await client.aclose()


@pytest.fixture(params=[PrunerKind.RULE, PrunerKind.LLM])
def pruner(request: pytest.FixtureRequest, chat: ChatClient) -> Pruner:
    return RulePruner() if request.param is PrunerKind.RULE else ModelPruner(chat)


@pytest.fixture(params=[PrunerKind.RULE, PrunerKind.LLM])
def searcher(request: pytest.FixtureRequest, chat: ChatClient) -> Searcher:
    return RuleSearcher() if request.param is PrunerKind.RULE else ModelSearcher(chat)


def a_memory(turn: int = 3) -> ToolMemory:
    entries = [MemoryEntry(name, "search: x", 0, 10, 0) for name in ("a__one", "a__two", "a__three")]
    held = ToolMemory(SessionLimits(), MemoryMode.HYBRID, turn=0).add(entries).memory.pin(["a__two"])
    return ToolMemory(held.limits, held.mode, held.entries, turn=turn)


async def test_a_pruner_names_only_what_is_held_and_not_pinned_and_once(pruner: Pruner, server: ModelServer) -> None:
    names = ["a__one", "a__two", "a__one", "never__held", "Three"]
    server.says = lambda _prompt: json.dumps({"remove": names})

    leaving = await pruner(a_memory(), MESSAGES)

    assert leaving
    assert len(leaving) == len(set(leaving))
    assert set(leaving) <= {"a__one", "a__three"}
    assert await pruner(ToolMemory(SessionLimits(), MemoryMode.HYBRID), []) == ()


async def test_a_searcher_asks_for_something_and_never_for_nothing(searcher: Searcher, server: ModelServer) -> None:
    server.says = lambda _prompt: json.dumps({"queries": ["", "list files", "  ", "list files"]})

    queries = await searcher(a_memory(), MESSAGES)

    assert queries
    assert all(query.strip() for query in queries)
    assert len(queries) == len(set(queries))


async def test_a_model_sees_names_and_reasons_but_no_pinned_tool(chat: ChatClient, server: ModelServer) -> None:
    said: list[str] = []

    def answer(prompt: str) -> str:
        said.append(prompt)
        return '{"remove": []}'

    server.says = answer
    await ModelPruner(chat)(a_memory(), MESSAGES)

    shown = json.loads(said[0])
    assert [tool["name"] for tool in shown["held"]] == ["a__one", "a__three"]
    assert shown["messages"] == MESSAGES


@pytest.mark.parametrize("answer", ["nonsense", "status"])
async def test_the_rule_stands_in_for_a_model_that_fails_and_the_verdict_says_so(
    chat: ChatClient, server: ModelServer, answer: str
) -> None:
    server.says = lambda _prompt: "I would remove them all."
    server.fault = refused(500) if answer == "status" else None
    deciders = Deciders({PrunerKind.LLM: ModelPruner(chat)}, {PrunerKind.LLM: ModelSearcher(chat)})

    memory = a_memory()

    assert await deciders.prune(PrunerKind.LLM, memory, MESSAGES) == Verdict(due(memory, MESSAGES), ("pruner",))
    assert await deciders.search_for(PrunerKind.LLM, memory, MESSAGES) == Verdict((MESSAGES[-1],), ("searcher",))


async def test_the_rule_stands_in_for_a_policy_that_is_not_there() -> None:
    memory = a_memory()
    assert await Deciders().prune(PrunerKind.POLICY, memory, []) == Verdict(due(memory), ("pruner",))
    assert await Deciders().prune(PrunerKind.RULE, memory, []) == Verdict(due(memory))


async def test_modes_that_ask_nobody_have_their_rule(chat: ChatClient, server: ModelServer) -> None:
    server.fault = refused(500)
    memory = ToolMemory(SessionLimits(), MemoryMode.LRU, a_memory().entries, turn=9)
    verdict = await Deciders({PrunerKind.LLM: ModelPruner(chat)}).prune(PrunerKind.LLM, memory, MESSAGES)
    assert verdict == Verdict(("a__one", "a__three"))
    assert server.asked == []
