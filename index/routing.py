"""Server routing: a server whose document is near the query lifts its tools.

After Tool-to-Agent retrieval (tools and servers in one space) and MCP-Zero (server first, then tool), without their
hard choice of servers: a tool's score grows by at most LIFT, so a server can settle what its tools leave open and
nothing more. A server's document is its title and the names of its tools; it lies in the tools' own collection, under a
tenant of its own making, without terms, so that no search for tools meets it and no IDF counts it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.candidates import Candidate, Ranking
from domain.canonical import sha256_hex
from domain.errors import EmbedderUnavailable, IndexUnavailable
from domain.text import ToolText, words
from index.clauses import clauses
from index.embedders.caching import QueryEmbedder
from index.fields import CONCAT
from index.ports import DenseLeg, Engine, Filter, Hit, IndexDocument, Point, SearchRequest, SparseVector
from index.ranking.order import EXACT, NEAREST
from index.rerank import is_named, with_included, with_stage
from index.searcher import Searcher

STAGE = "server"
PROFILES = frozenset({"hybrid", "mixed"})
"""The others are what rankings are compared with. The toolshed asks `hybrid`."""

LIFT = 0.1
SERVERS = 10
"""Chosen on train and dev splits among .05, .1, .15, .2, .4 and 5, 10, 20 servers: docs/scale.md."""

DEPTH = 50
"""Candidates that may be lifted."""

MARK = "server:"
"""Begins the hash of a server's document, by which an inventory tells it from a tool's."""

_MAX_CHARS = 1500


@dataclass(frozen=True, slots=True)
class ServerText:
    """What is searched of one server."""

    tenant: str
    server: str
    title: str
    tools: tuple[str, ...]

    @property
    def document(self) -> IndexDocument:
        """As an index takes it. Two servers of equal texts have equal hashes."""
        listed = ", ".join(words(name) for name in sorted(self.tools))[:_MAX_CHARS]
        # The title in front: models read a text's beginning, and 256 tokens of it at most.
        text = ToolText("", "", f"{words(self.title) or self.server}. {listed}", "")
        digest = f"{MARK}{sha256_hex(text.concat)}"
        return IndexDocument(servers_of(self.tenant), self.server, self.server, text, digest, 1)


def servers_of(tenant: str) -> str:
    """The tenant under which a tenant's servers lie."""
    return f"{tenant}\0servers"


def server_point(point: Point) -> Point:
    """As it is stored: without terms and names, by which only tools are found."""
    return replace(point, sparse=SparseVector((), ()), names=())


LOOKS_AGAIN_S = 5.0
"""Where no server has a document, searches do not look for one for so long: another gateway may have written some."""


class RoutedSearch:
    """A searcher around another one. Where no server has a document, or the query no vector, it adds nothing."""

    def __init__(self, inner: Searcher, engine: Engine, embedder: QueryEmbedder) -> None:
        self._inner = inner
        self._engine = engine
        self._embedder = embedder
        self._none_until: dict[str, float] = {}  # by tenant, where no server had a document

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner one searches, with the tools of near servers lifted. Servers that the caller chose are not
        judged again.
        """
        if request.profile not in PROFILES or request.servers:
            return await self._inner.search(request)
        if time.monotonic() < self._none_until.get(request.tenant, 0.0):
            return await self._inner.search(request)
        rankings = await self._inner.search(replace(request, depth=max(request.depth, DEPTH)))
        began = time.perf_counter()
        near = await self._near(request)
        if not any(near.values()):
            self._none_until[request.tenant] = time.monotonic() + LOOKS_AGAIN_S
        spent = (time.perf_counter() - began) * 1e3 / max(1, len(rankings))
        return [_routed(ranking, near.get(ranking.query, {}), request, spent) for ranking in rankings]

    def look_again(self) -> None:
        """Documents of servers were written here."""
        self._none_until.clear()

    async def _near(self, request: SearchRequest) -> Mapping[str, Mapping[str, float]]:
        """Query -> server -> how near its document is: 1 the nearest, 0 the last of SERVERS."""
        texts = {query: (query, *clauses(query)) for query in request.queries}
        every = [text for of_query in texts.values() for text in of_query]
        try:
            vectors = await self._embedder.embed(every)  # known since the search a moment ago
            legs = [DenseLeg(CONCAT, vector, SERVERS) for vector in vectors]
            answers = iter(await self._engine.search(legs, Filter(servers_of(request.tenant))))
        except (EmbedderUnavailable, IndexUnavailable):
            return {}
        return {query: nearness([next(answers) for _ in of_query]) for query, of_query in texts.items()}


def nearness(answers: Sequence[Sequence[Hit]]) -> dict[str, float]:
    """`answers`: the servers near each text of a query. The best text of each counts.

    >>> nearness([[Hit("a", "a", 0.5), Hit("b", "b", 0.1)], [Hit("b", "b", 0.3)]])
    {'a': 1.0, 'b': 0.0}
    """
    best: dict[str, float] = {}
    for hit in (hit for hits in answers for hit in hits):
        best[hit.server] = max(hit.score, best.get(hit.server, hit.score))
    first = sorted(best.items(), key=lambda one: (-one[1], one[0]))[:SERVERS]
    if not first:
        return {}
    high, low = first[0][1], first[-1][1]
    return {server: (score - low) / (high - low) if high > low else 1.0 for server, score in first}


def _routed(ranking: Ranking, near: Mapping[str, float], request: SearchRequest, spent_ms: float) -> Ranking:
    found = [*ranking.candidates, *ranking.nearest]
    count = len(ranking.candidates)
    included = {candidate.tool_id for candidate in ranking.candidates if is_named(candidate)}
    lifted = sorted((_lifted(one, near) for one in found), key=lambda one: (-one.score, one.tool_id))
    order = with_included(lifted, included, count)
    beyond = max(NEAREST, request.depth - count)
    return replace(
        ranking,
        candidates=tuple(order[:count]),
        nearest=tuple(order[count : count + beyond]),
        timings_ms=with_stage(ranking.timings_ms, STAGE, spent_ms),
    )


def _lifted(candidate: Candidate, near: Mapping[str, float]) -> Candidate:
    """Scores lie in [0, 1], and one above for what the query spells out."""
    nearness = near.get(candidate.server)
    if nearness is None:
        return candidate
    bonus = 1.0 if EXACT in candidate.stages else 0.0
    score = bonus + (candidate.score - bonus) * (1 + LIFT * nearness)
    return replace(candidate, score=score, stages={**candidate.stages, STAGE: nearness})
