"""Dependency closure: a tool that another one needs first comes along, from further down the same ranking.

Which tools those are is read off recorded sessions: what was called before a tool, often enough, produced something
for it. Reading it off schemas (a required parameter that another tool's name promises) was tried and lost .001
Recall@5 on seal-tools; docs/scale.md has both beside each other. Refuses to know: where sessions are recorded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from domain.candidates import Candidate, Ranking
from index.ports import SearchRequest
from index.ranking.order import NEAREST
from index.rerank import is_named
from index.searcher import Searcher

STAGE = "closure"
PROFILES = frozenset({"hybrid", "mixed", "toolshed"})
"""The others are what rankings are compared with, and stay what their names say."""

SESSIONS = 2
SHARE = 0.2
"""A tool needs another one that was called before it in so many sessions, and in this share of all its sessions."""

LOOK = 3
"""The first tools of a ranking whose needs are looked at; they never make room."""

DEPTH = 50
"""How far down a tool may stand and still come along: what no leg found has nothing to do with the request."""


@dataclass(frozen=True, slots=True)
class ToolGraph:
    """Tool -> the tools that it needs first, each with its share of the sessions; most often needed first."""

    needs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of_sessions(cls, sessions: Iterable[Sequence[str]]) -> ToolGraph:
        """`sessions`: the tools of each, in the order of their successful calls."""
        used: Counter[str] = Counter()
        before: dict[str, Counter[str]] = defaultdict(Counter)
        for session in sessions:
            tools = list(dict.fromkeys(session))
            for place, tool in enumerate(tools):
                used[tool] += 1
                before[tool].update(tools[:place])
        return cls({tool: needs for tool in before if (needs := _needs(before[tool], used[tool]))})


def _needs(before: Counter[str], sessions: int) -> dict[str, float]:
    often = [(tool, count) for tool, count in before.items() if count >= SESSIONS and count / sessions >= SHARE]
    return {tool: count / sessions for tool, count in sorted(often, key=lambda one: (-one[1], one[0]))}


Graphs = Callable[[str], ToolGraph]
"""Tenant -> its graph as it is known now. Never waits."""


class ClosedSearch:
    """A searcher around another one."""

    def __init__(self, inner: Searcher, graphs: Graphs) -> None:
        self._inner = inner
        self._graphs = graphs

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner one searches; with one more tool, or one in the last place, where the first ones need it."""
        graph = self._graphs(request.tenant)
        if request.profile not in PROFILES or not graph.needs:
            return await self._inner.search(request)
        rankings = await self._inner.search(replace(request, depth=max(request.depth, DEPTH)))
        return [_closed(ranking, graph, request) for ranking in rankings]


def _closed(ranking: Ranking, graph: ToolGraph, request: SearchRequest) -> Ranking:
    found = [*ranking.candidates, *ranking.nearest]
    count = len(ranking.candidates)
    needed = missing(found, count, graph)
    if needed is not None:
        count = min(count + 1, request.k)  # retrieval may have chosen fewer than were asked for
        place = count - 1
        if place >= LOOK and not is_named(found[place]):
            found = [one for one in found if one.tool_id != needed.tool_id]
            found.insert(place, needed)
    beyond = max(NEAREST, request.depth - count)
    return replace(ranking, candidates=tuple(found[:count]), nearest=tuple(found[count : count + beyond]))


def missing(found: Sequence[Candidate], count: int, graph: ToolGraph) -> Candidate | None:
    """The tool behind the first `count` that one of the first LOOK needs most, with its share as a stage."""
    behind = {candidate.tool_id: candidate for candidate in found[count:]}
    for user in found[:LOOK]:
        for tool, share in graph.needs.get(user.tool_id, {}).items():
            if tool in behind:
                return replace(behind[tool], stages={**behind[tool].stages, STAGE: share})
    return None
