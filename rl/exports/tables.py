"""Rows for learners that are no language models: transitions, the tool graph, cases, statistics of tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from domain.events import Outcome
from domain.trajectories import Step, StepKind
from rl.data.decisions import decisions
from rl.data.forest import Node, judgements

Row = dict[str, Any]

CONTEXTS = 4
"""Contexts kept on an edge of the graph, the latest; AgentFly's best number of cases was four, too (paper 38)."""


def transition_rows(roots: Sequence[Node], judged: Mapping[str, float]) -> Iterator[Row]:
    """(state, action, reward, next state) for offline learning. The reward of a step is what was said of it, else 0; a
    step with several followers is the start of as many transitions.
    """
    for root in roots:
        for node in root.below():
            following: list[Node | None] = [*node.children] or [None]
            for after in following:
                yield {
                    "state": node.step.id,
                    "kind": node.step.kind.value,
                    "tool_id": node.step.action.get("tool_id"),
                    "propensity": node.step.propensity,
                    "outcome": node.step.outcome.value,
                    "cost": node.step.cost,
                    "latency_ms": node.step.latency_ms,
                    "reward": judged.get(node.step.id, 0.0),
                    "next": None if after is None else after.step.id,
                    "done": after is None,
                }


def graph_rows(roots: Sequence[Node], vectors: Mapping[str, npt.NDArray[np.float32]] | None = None) -> list[Row]:
    """The transition graph: how often one tool followed another, how often that went well, and for what (papers 5, 23).

    `contexts`: the vectors, or where there are none the texts, of the queries under which the edge was taken last.
    """
    edges: dict[tuple[str | None, str], Row] = {}
    for root in roots:
        for node in root.below():
            if node.step.kind is not StepKind.CALL:
                continue
            above = node.path[:-1]
            last = next((step.action["tool_id"] for step in reversed(above) if step.kind is StepKind.CALL), None)
            query = next((" ".join(step.queries) for step in reversed(node.path) if any(step.queries)), "")
            key = (last, str(node.step.action["tool_id"]))
            edge = edges.setdefault(key, {"from": key[0], "to": key[1], "count": 0, "ok": 0, "contexts": []})
            edge["count"] += 1
            edge["ok"] += node.step.outcome is Outcome.OK
            if query and query not in edge["contexts"]:
                edge["contexts"] = [*edge["contexts"], query][-CONTEXTS:]
    if vectors is not None:
        for edge in edges.values():
            edge["contexts"] = [vectors[text].tolist() for text in edge["contexts"] if text in vectors]
    return list(edges.values())


def case_rows(steps: Sequence[Step]) -> Iterator[Row]:
    """(query, tool, reward) of every judged choice: AgentFly's case bank for one step (paper 38)."""
    for decision in decisions(steps):
        if decision.reward is not None:
            yield {
                "query": decision.query,
                "tool_id": decision.tool_id,
                "reward": decision.reward,
                "propensity": decision.propensity,
            }


def tool_rows(steps: Sequence[Step]) -> list[Row]:
    """Per tool: calls, outcomes, success rate, latency, cost and judged success, from the log alone (papers 28, 35)."""
    judged = judgements(steps)
    calls: dict[str, list[Step]] = {}
    for step in steps:
        if step.kind is StepKind.CALL:
            calls.setdefault(str(step.action["tool_id"]), []).append(step)
    return [_tool_row(tool_id, found, judged) for tool_id, found in sorted(calls.items())]


def _tool_row(tool_id: str, found: Sequence[Step], judged: Mapping[str, float]) -> Row:
    outcomes = Counter(step.outcome.value for step in found)
    said = [judged[step.id] for step in found if step.id in judged]
    p50, p95 = np.percentile([step.latency_ms for step in found], [50, 95])
    return {
        "tool_id": tool_id,
        "calls": len(found),
        "success_rate": outcomes[Outcome.OK.value] / len(found),
        "outcomes": dict(outcomes),
        "judged": len(said),
        "judged_success": float(np.mean(said)) if said else None,
        "latency_ms": {"p50": float(p50), "p95": float(p95)},
        "cost": float(np.mean([step.cost for step in found])),
    }
