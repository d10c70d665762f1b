"""The policy's stage: what it may change, what it must keep, and what happens when no policy answers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.candidates import Candidate, Ranking
from domain.errors import ModelUnavailable
from domain.events import Event, EventKind
from domain.policy_moves import PolicyMode
from gateway.policy.situations import Situations
from gateway.policy.stage import DEGRADED, STAGE, PolicySearch, Sources
from gateway.policy.standing import Regime, Standing, Standings
from index.ports import SearchRequest
from index.ranking.order import EXACT
from index.rerank import UNTOUCHED
from policy_client.deciders.fake import FakeDecider
from policy_client.decision import Decision, Question
from policy_client.router import BackEnd, Router

pytestmark = pytest.mark.anyio

TENANT = "acme"
WANTED = "s__tool_09"
ASKED = SearchRequest(TENANT, ("fold a paper boat",), k=5, session_id="s_1")


class Inner:
    """Finds forty tools, the same for every query; tool 9 says what the tests look for."""

    def __init__(self, stages: Mapping[int, str] | None = None) -> None:
        named = stages or {}
        self.found = [
            Candidate(f"s__tool_{n:02}", "s", 1 - n / 40, {named[n]: 1.0} if n in named else {"fused": 1.0})
            for n in range(40)
        ]

    async def search(self, request: SearchRequest) -> list[Ranking]:
        shown = self.found[: max(request.depth, request.k + 3)]
        return [
            Ranking(query, tuple(shown[: request.k]), request.profile, nearest=tuple(shown[request.k :]))
            for query in request.queries
        ]


class Away(FakeDecider):
    async def decide(self, question: Question) -> Decision:
        del question
        raise ModelUnavailable("It is away.")


async def texts(_tenant: str, tool_ids: Sequence[str]) -> Mapping[str, str]:
    return {one: "fold a paper boat" if one == WANTED else "something else" for one in tool_ids}


def stage(
    decider: FakeDecider | None = None,
    mode: PolicyMode = PolicyMode.LIVE,
    *,
    inner: Inner | None = None,
    record: Callable[[Event], object] = lambda _event: None,
) -> PolicySearch:
    router = Router([BackEnd(decider or FakeDecider(), 1.0)])
    sources = Sources(texts, Situations(), lambda _tenant: {})
    return PolicySearch(inner or Inner(), Standings(Standing(router, Regime(mode))), sources, record)


async def test_what_the_policy_prefers_comes_first_with_its_share_and_what_it_looked_at() -> None:
    search = stage()

    [ranking] = await search.search(ASKED)

    first = ranking.candidates[0]
    assert first.tool_id == WANTED
    assert first.stages[STAGE] > 0
    assert {"retrieval", "lead", "success_rate"} <= set(first.stages)
    assert ranking.decided_by == "fake fake-1"
    assert len(ranking.candidates) == 5
    assert len(ranking.nearest) == 3


async def test_without_an_answer_retrieval_s_order_stays_and_is_marked() -> None:
    search = stage(Away())
    plain = await Inner().search(ASKED)

    [ranking] = await search.search(ASKED)

    assert ranking.candidates == plain[0].candidates
    assert ranking.degraded == (DEGRADED,)
    assert ranking.decided_by == ""


@given(exact=st.integers(0, 29))
def test_a_tool_that_the_query_names_stays_on_top(exact: int) -> None:
    search = stage(inner=Inner({exact: EXACT}))

    [ranking] = asyncio.run(search.search(ASKED))

    assert ranking.candidates[0].tool_id == f"s__tool_{exact:02}"


async def test_nothing_is_added_and_nothing_is_lost() -> None:
    search = stage()

    [ranking] = await search.search(replace(ASKED, depth=40))

    found = [one.tool_id for one in (*ranking.candidates, *ranking.nearest)]
    assert sorted(found) == sorted(one.tool_id for one in Inner().found)


async def test_in_its_shadow_the_answer_is_retrieval_s_and_the_decision_is_told() -> None:
    told: asyncio.Queue[Event] = asyncio.Queue()
    search = stage(mode=PolicyMode.SHADOW, record=told.put_nowait)
    plain = await Inner().search(ASKED)

    [ranking] = await search.search(ASKED)
    event = await told.get()

    assert ranking.candidates == plain[0].candidates
    assert event.kind is EventKind.DECISION
    assert event.body["policy"][0] == WANTED
    assert event.body["retrieval"] == [one.tool_id for one in ranking.candidates]


@pytest.mark.parametrize("profile", sorted(UNTOUCHED))
async def test_profiles_that_others_are_compared_with_are_not_touched(profile: str) -> None:
    search = stage()

    [ranking] = await search.search(replace(ASKED, profile=profile))

    assert ranking.candidates[0].tool_id == "s__tool_00"


def test_a_canary_counts_in_its_share_of_the_sessions_and_always_in_the_same_ones() -> None:
    regime = Regime(PolicyMode.CANARY, 0.25)
    sessions = [f"s_{number}" for number in range(2000)]

    chosen = [one for one in sessions if regime.counts_for(TENANT, one)]

    assert 400 < len(chosen) < 600
    assert chosen == [one for one in sessions if regime.counts_for(TENANT, one)]
    assert not regime.counts_for(TENANT, None)
