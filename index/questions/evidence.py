"""How much earlier questions speak for each tool, and how that is weighed against what the documents say. Pure.

Four kinds of evidence, each with its ablation row in docs/adr/0013: `asked` (cosine of the nearest earlier
question), `centre` (cosine of the mean of a tool's questions: Tool2Vec), `worded` (BM25 against earlier questions, as
a share of the best) and `votes` (whose are the nearest twenty, by a softmax over their cosines).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from index.fusion import Scores, min_max, weighted_sum
from index.ports import Hit
from index.questions.bank import Asked
from index.ranking.order import leading, spread

FEW = 3
"""With so many clauses at most, a clause is judged by what retrieval says of the whole query; with more, that counts
(FEW / clauses) ** STEEP, and what it says of the clause alone the rest (docs/adr/0045)."""

STEEP = 4

WHOLE = 4.0
"""What the whole query counts beside the best of FEW clauses; beside more of them, as much less."""

COVERAGE = 1.0
"""What a tool loses that stands behind another for the same clause, in logits, where the profile asks for coverage."""

VOTERS = 20
VOTE_TEMPERATURE = 0.1


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of evidence adds to a tool's logit.

    Fitted on toole's dev queries with questions of the train split for every tool, for half of the tools, and for few
    (benchmarks/learn_usage.py), so that a tool that nobody has asked for yet (`unasked`) is judged by its document as
    fairly as before. Cross-validated Recall@1 in the three cases: .863, .782, .759.
    """

    asked: float = 8.84
    centre: float = -1.15
    worded: float = 3.06
    votes: float = 1.6
    document: float = 2.32
    document_if_far: float = 5.79  # times the distance (1 - cosine) of the nearest question of all
    unasked: float = 2.88
    unasked_if_far: float = 0.21
    unasked_document: float = 10.44
    unasked_document_if_far: float = 2.66


@dataclass(frozen=True, slots=True)
class Blend:
    """Scores in [0, 1], and which tools lost something since they stand behind another for the same clause."""

    scores: Scores
    behind: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Evidence:
    """Scores per tool and kind; a tool that the bank did not name has none. `servers`: whose each named tool is."""

    kinds: Mapping[str, Scores] = field(default_factory=dict)
    floors: Mapping[str, float] = field(default_factory=dict)  # what a tool gets whose questions were no hits
    servers: Mapping[str, str] = field(default_factory=dict)

    @property
    def nearest(self) -> float:
        """Cosine of the nearest question of all."""
        return max(self.kinds["asked"].values(), default=0.0)


def evidence(asked: Asked) -> Evidence | None:
    """None when nobody has asked anything yet."""
    if not asked:
        return None
    kinds = {
        "asked": _best(asked.near),
        "centre": _best(asked.centres),
        "worded": min_max(_best(asked.worded), floor=0.0),
        "votes": _votes(asked.near[:VOTERS]),
    }
    # A tool whose questions were not among the hits has none nearer than the last hit.
    floors = {"asked": asked.near[-1].score, "centre": asked.centres[-1].score if asked.centres else 0.0}
    servers = {hit.tool_id: hit.server for hits in (asked.near, asked.worded, asked.centres) for hit in hits}
    return Evidence(kinds, floors, servers)


def blend(
    document: Scores,
    found: Sequence[Evidence],
    unasked: Collection[str],
    weights: Weights,
    by_clause: Sequence[Scores] = (),
    coverage: float = COVERAGE,
) -> Blend:
    """A score for every tool that the documents or the questions speak for.

    `document`: what retrieval says without questions; `found`: for the whole query, then for each of its clauses;
    `unasked`: those of the document's tools that have no question at all; `by_clause`: what retrieval says of each
    clause alone, where there are more than FEW.
    """
    whole, *clauses = found
    scores = [_logits(document, whole, unasked, weights)]
    if not clauses:
        return Blend(min_max(scores[0]))
    share = min(1.0, FEW / len(clauses)) ** STEEP
    documents: Sequence[Scores] = [document] * len(clauses)
    if by_clause and share < 1:
        documents = [weighted_sum([(share, document), (1 - share, alone)]) for alone in by_clause]
    for one, said in zip(clauses, documents, strict=True):
        scores.append(_logits(said, one, unasked, weights))
    tools = sorted(set().union(*scores))
    # A tool that no question near a text speaks for stands where the last one stands.
    floors = [(of, min(of.values())) for of in scores]
    by_text = np.array([[of.get(tool, low) for tool in tools] for of, low in floors])
    by_text[0] *= WHOLE * share
    behind = ~leading(by_text) if coverage else np.zeros(len(tools), bool)
    total = by_text[0] + by_text[1:].max(axis=0) - coverage * behind
    scored = dict(zip(tools, spread(total).tolist(), strict=True))
    return Blend(scored, frozenset(tool for tool, is_behind in zip(tools, behind, strict=True) if is_behind))


def _logits(document: Scores, found: Evidence, unasked: Collection[str], weights: Weights) -> dict[str, float]:
    of = {name: float(getattr(weights, name)) for name in Weights.__slots__}
    return {
        tool: sum(of[name] * value for name, value in of_tool.items())
        for tool, of_tool in inputs(document, found, unasked).items()
    }


def inputs(document: Scores, found: Evidence, unasked: Collection[str]) -> dict[str, dict[str, float]]:
    """Tool -> what each weight that bears on it is multiplied by."""
    documents = min_max(document, floor=0.0)
    far = max(1.0 - found.nearest, 0.0)
    by_kind = [(kind, scores, found.floors.get(kind, 0.0)) for kind, scores in found.kinds.items()]
    of_tools: dict[str, dict[str, float]] = {}
    for tool in dict.fromkeys([*documents, *found.servers]):
        said = documents.get(tool, 0.0)
        if tool in unasked:
            of_tools[tool] = {
                "unasked": 1.0,
                "unasked_if_far": far,
                "unasked_document": said,
                "unasked_document_if_far": said * far,
            }
        else:
            of_tools[tool] = {kind: scores.get(tool, floor) for kind, scores, floor in by_kind}
            of_tools[tool] |= {"document": said, "document_if_far": said * far}
    return of_tools


def _best(hits: Sequence[Hit]) -> dict[str, float]:
    """Each tool's best hit; hits come best first."""
    best: dict[str, float] = {}
    for hit in hits:
        best.setdefault(hit.tool_id, hit.score)
    return best


def _votes(hits: Sequence[Hit]) -> dict[str, float]:
    shares: dict[str, float] = {}
    heights = [math.exp((hit.score - hits[0].score) / VOTE_TEMPERATURE) for hit in hits]
    for hit, height in zip(hits, heights, strict=True):
        shares[hit.tool_id] = shares.get(hit.tool_id, 0.0) + height / sum(heights)
    return shares
