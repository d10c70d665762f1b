"""Whether what was found fits at all, and how many of it to give: the last stage of a search.

The features are what the legs said: raw cosines, with the query as it is and as the adapter moves it, and BM25 per
term, before any normalisation, which would make the best hit of every query a 1. A logistic regression makes one
probability of them. It is calibrated for one embedding model; with another there is no opinion, and no refusal.
Refuses to know: what is done about a query that nothing fits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

from domain.candidates import Candidate, Ranking
from index.fields import CONCAT, NAME
from index.ports import SearchRequest
from index.ranking.learnt import FILES
from index.ranking.recall import ADAPTED, SPARSE
from index.searcher import Searcher
from index.sparse import Bm25Encoder

DEPTH = 20
"""Candidates that are looked at."""

FEWEST, MOST = 3, 8
"""How many tools a search gives that did not say how many."""

TAIL = 0.3
"""A candidate is given while its score stands above this share of the way from the 20th candidate to the first.

Chosen on the dev splits: see docs/retrieval.md for recall and mean k beside a fixed 5.
"""

NEAREST = 3
NAMED = ("exact", "phrase")

FEATURES = (
    "cosine", "cosine_lead", "cosine_lead_5", "cosine_mean", "name", "bm25", "bm25_lead", "cosine_of_bm25",
    "bm25_of_cosine", "adapted", "adapted_lead", "adapted_lead_5", "terms",
)  # fmt: skip
USAGE_FEATURES = ("asked", "votes", "centre", "worded")


@dataclass(frozen=True)
class Logistic:
    """Weights of standardised features. `threshold`: the probability below which nothing fits."""

    features: tuple[str, ...]
    weights: npt.NDArray[np.float64]
    bias: float
    threshold: float

    def probability(self, values: Mapping[str, float]) -> float:
        logit = self.bias + float(self.weights @ np.array([values[name] for name in self.features]))
        return float(1 / (1 + np.exp(-np.clip(logit, -50, 50))))


@dataclass(frozen=True, slots=True)
class Calibration:
    """`documents` judges where no tool has questions, `usage` where some have."""

    embedder: str
    documents: Logistic
    usage: Logistic


@cache
def shipped() -> Calibration:
    """What comes with this version; benchmarks/learn_calibration.py makes it and says from what."""
    document = json.loads((FILES / "calibration.json").read_text(encoding="utf-8"))
    return Calibration(document["embedder"], _logistic(document["documents"]), _logistic(document["usage"]))


class CalibratedSearch:
    """Implements `index.searcher.Searcher`; what it adds is asked for by `SearchRequest.judge` and `.adaptive`."""

    def __init__(self, inner: Searcher, encoder: Bm25Encoder, calibration: Calibration | None) -> None:
        """`calibration`: None for an embedding model that it was not made for."""
        self._inner = inner
        self._encoder = encoder
        self._calibration = calibration

    async def search(self, request: SearchRequest) -> list[Ranking]:
        """As the inner searcher, with `confidence` and `abstained` where asked, and k cut to what stands out."""
        if not request.judge and not request.adaptive:
            return await self._inner.search(request)
        rankings = await self._inner.search(replace(request, depth=max(DEPTH, request.depth)))
        if request.judge and self._calibration is not None:
            rankings = [self._judged(request, ranking, self._calibration) for ranking in rankings]
        return [_cut(ranking, request) for ranking in rankings]

    def _judged(self, request: SearchRequest, ranking: Ranking, calibration: Calibration) -> Ranking:
        """Without an opinion where a stage that it rests on did not answer."""
        found = [*ranking.candidates, *ranking.nearest][:DEPTH]
        if any(stage in candidate.stages for candidate in found[: request.k] for stage in NAMED):
            return replace(ranking, confidence=1.0)
        if "embedder" in ranking.degraded or not any(ADAPTED in candidate.stages for candidate in found):
            return ranking
        values = features(found, len(self._encoder.query(ranking.query).indices))
        asked = any("asked" in candidate.stages for candidate in found)
        judge = calibration.usage if asked else calibration.documents
        probability = judge.probability(values)
        return replace(ranking, confidence=probability, abstained=probability < judge.threshold)


def features(found: Sequence[Candidate], terms: int) -> dict[str, float]:
    """What the judges look at, by name. `terms`: of the query's lexical leg."""
    cosines, names, adapted = _of(found, CONCAT), _of(found, NAME), _of(found, ADAPTED)
    lexical = _of(found, SPARSE) / max(terms, 1)
    best, lexically = int(np.argmax(cosines)), int(np.argmax(lexical))
    values = {
        "cosine": float(cosines[best]),
        "cosine_lead": _lead(cosines, 1),
        "cosine_lead_5": _lead(cosines, 4),
        "cosine_mean": float(np.sort(cosines)[::-1][:10].mean()),
        "name": float(names.max()),
        "bm25": float(lexical[lexically]),
        "bm25_lead": _lead(lexical, 1),
        "cosine_of_bm25": float(cosines[lexically]),
        "bm25_of_cosine": float(lexical[best]),
        "adapted": float(adapted.max()),
        "adapted_lead": _lead(adapted, 1),
        "adapted_lead_5": _lead(adapted, 4),
        "terms": float(np.log1p(terms)),
    }
    return {**values, **{stage: float(_of(found, stage).max()) for stage in USAGE_FEATURES}}


def _of(found: Sequence[Candidate], stage: str) -> npt.NDArray[np.float64]:
    return np.array([candidate.stages.get(stage, 0.0) for candidate in found])


def _lead(scores: npt.NDArray[np.floating], places: int) -> float:
    """By how much the best stands above the one some places behind it; alone it leads by all it has."""
    falling = np.sort(scores)[::-1]
    return float(falling[0] - (falling[places] if len(falling) > places else 0.0))


def _cut(ranking: Ranking, request: SearchRequest) -> Ranking:
    """Give as many as stand out, where the caller left the number open; and no more depth than was asked for."""
    found = (*ranking.candidates, *ranking.nearest)
    k = len(ranking.candidates)
    if request.adaptive:
        k = min(k, standing_out([candidate.score for candidate in found]))
        named = [at for at, candidate in enumerate(ranking.candidates) if any(s in candidate.stages for s in NAMED)]
        k = max([k, *(at + 1 for at in named)])
    beyond = max(NEAREST, request.depth - k)
    return replace(ranking, candidates=found[:k], nearest=found[k : k + beyond])


def standing_out(scores: Sequence[float]) -> int:
    """How many of falling scores to give: FEWEST to MOST.

    >>> standing_out([1.0, 0.9, 0.2, 0.1, 0.1]), standing_out([1.0, 0.99, 0.98, 0.97, 0.96, 0.0])
    (3, 5)
    """
    last = scores[min(len(scores), DEPTH) - 1] if scores else 0.0
    bar = last + TAIL * (scores[0] - last) if scores else 0.0
    return max(FEWEST, sum(score >= bar for score in scores[:MOST]))


def calibration_for(version: str) -> Calibration | None:
    """The shipped calibration if it was made with the embedder of this version."""
    return shipped() if shipped().embedder == version else None


def _logistic(kept: Mapping[str, object]) -> Logistic:
    weights = kept["weights"]
    assert isinstance(weights, dict)
    names = tuple(weights)
    return Logistic(
        names, np.array([weights[n] for n in names]), float(str(kept["bias"])), float(str(kept["threshold"]))
    )
