"""What speaks for each tool as the next one. The order is part of every stored weight vector."""

from __future__ import annotations

import numpy as np

from policy_client.next_tool.situation import Floats, Situation, ToolTable
from policy_client.next_tool.statistics import Statistics

NAMES = (
    "first_order", "second_order", "popularity", "context", "edge_context", "path_context", "path",
    "retrieval", "best_retrieved", "similarity", "repeats", "was_called", "same_server", "like_last",
    "new_similarity", "new_retrieval", "new_repeats", "new_was_called",
)  # fmt: skip
"""Logarithms of probabilities, then scores of the text, then what was called; `new_`: only when the user has spoken."""

SCHEMA = "next-tool-1"

_SIMILARITY = 10.0  # brings cosines to the spread of the other features
_LIKENESS = 5.0


def features(statistics: Statistics, tools: ToolTable, situation: Situation) -> Floats:
    """Shape (tools, len(NAMES))."""
    n, new = len(tools), float(situation.is_new)
    similarity = _SIMILARITY * (tools.vectors @ situation.query).astype(np.float64)
    retrieval = situation.retrieval.astype(np.float64)
    called, repeats, same_server, like_last = np.zeros((4, n))
    if situation.history:
        last = situation.history[-1]
        called[list(situation.history)] = 1.0
        called[last] = 0.0
        repeats[last] = 1.0
        same_server = (tools.servers == tools.servers[last]).astype(np.float64)
        like_last = _LIKENESS * (tools.vectors @ tools.vectors[last]).astype(np.float64)
    probabilities = (
        statistics.first_order(situation), statistics.second_order(situation), statistics.popularity,
        *statistics.in_context(situation),
    )  # fmt: skip
    best = (retrieval >= retrieval.max()) & (retrieval > 0)
    columns = [np.log(probability) for probability in probabilities]
    columns += [retrieval, best.astype(np.float64), similarity, repeats, called, same_server, like_last]
    columns += [new * similarity, new * retrieval, new * repeats, new * called]
    return np.column_stack(columns)
