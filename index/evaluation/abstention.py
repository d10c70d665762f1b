"""`toolcrib eval retrieval --remove-gold`: every query once with its gold tools in the catalogue, and once without.

`abstention_auroc`: how well confidence tells the two apart. `refused`: share of the answerable queries for which
nothing seemed to fit, at the shipped threshold; `refused_rightly`: the same share of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.candidates import Ranking
from domain.errors import InvalidInput
from index.evaluation.dataset import LabelledQuery
from index.ports import IndexDocument, SearchRequest
from index.tool_index import ToolIndex

Progress = Callable[[str, int, int], None]

BATCH = 16


async def evaluate_abstention(
    index: ToolIndex,
    documents: Mapping[str, IndexDocument],
    queries: Sequence[LabelledQuery],
    request: SearchRequest,
    report: Progress,
) -> dict[str, Any]:
    """`documents` by tool id, all of them in the index; `request` says how to ask. The index is left as it was.

    Raises InvalidInput where no query can be left without its tools.
    """
    answerable: list[Ranking] = []
    unanswerable: list[Ranking] = []
    done = 0
    for gold, of_gold in by_gold(queries, documents).items():
        if len(gold) == len(documents):
            continue
        answerable += await _ask(index, of_gold, request)
        await index.delete(request.tenant, gold)
        unanswerable += await _ask(index, of_gold, request)
        await index.upsert([documents[tool_id] for tool_id in gold])
        done += len(of_gold)
        report("Asking without the gold tools", done, len(queries))
    fits, misfits = _confidences(answerable), _confidences(unanswerable)
    if not len(fits) or not len(misfits):
        raise InvalidInput("Abstention cannot be measured: no query of this data has an opinion on what fits.")
    return {
        "abstention_auroc": auroc(fits, misfits),
        "refused": float(np.mean([ranking.abstained for ranking in answerable])),
        "refused_rightly": float(np.mean([ranking.abstained for ranking in unanswerable])),
    }


def auroc(positive: npt.NDArray[np.float64], negative: npt.NDArray[np.float64]) -> float:
    """Probability that a positive scores above a negative; ties count half.

    >>> auroc(np.array([2.0, 1.0]), np.array([1.0, 0.0]))
    0.875
    """
    scores = np.concatenate([positive, negative])
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[position]
    n, m = len(positive), len(negative)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def by_gold(
    queries: Sequence[LabelledQuery], documents: Mapping[str, IndexDocument]
) -> dict[tuple[str, ...], list[LabelledQuery]]:
    """Queries by the tools that answer them: gold and alternatives, or every tool of the gold servers."""
    groups: dict[tuple[str, ...], list[LabelledQuery]] = {}
    for query in queries:
        wanted = {*query.gold, *(tool for tools in query.alternatives.values() for tool in tools)}
        if query.is_server_level:
            wanted = {tool_id for tool_id, document in documents.items() if document.server in wanted}
        groups.setdefault(tuple(sorted(wanted & documents.keys())), []).append(query)
    return groups


async def _ask(index: ToolIndex, queries: Sequence[LabelledQuery], request: SearchRequest) -> list[Ranking]:
    found: list[Ranking] = []
    for start in range(0, len(queries), BATCH):
        texts = tuple(query.text for query in queries[start : start + BATCH])
        asked = SearchRequest(request.tenant, texts, request.k, request.profile, judge=True)
        found += await index.search(asked)
    return found


def _confidences(rankings: Iterable[Ranking]) -> npt.NDArray[np.float64]:
    return np.array([ranking.confidence for ranking in rankings if ranking.confidence is not None])
