"""What a policy is asked about a ranking: its first candidates, each with the scorer's numbers, and the session's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev

from domain.candidates import Candidate, Ranking
from domain.experience import ToolRecord
from gateway.case_search import CASE
from gateway.policy.situations import Situation
from policy_client.decision import Option, Question

DEPTH = 30
"""Candidates that a policy sees."""

_SURE = 0.001
_UNTRIED = 0.5
"""Success rate of a tool that was never called."""

Records = Mapping[str, ToolRecord]


def question_of(ranking: Ranking, situation: Situation, records: Records, texts: Mapping[str, str]) -> Question:
    """`texts`: tool id -> what the tool says of itself."""
    found = (*ranking.candidates, *ranking.nearest)[:DEPTH]
    numbers = features(found, situation, records)
    options = [Option(one.tool_id, texts.get(one.tool_id, ""), numbers[one.tool_id]) for one in found]
    context = dict(situation.context)
    if ranking.confidence is not None:
        share = min(max(ranking.confidence, _SURE), 1 - _SURE)
        context["need"] = math.log(share / (1 - share))
    return Question(ranking.query, tuple(options), situation.calls, context)


def features(found: Sequence[Candidate], situation: Situation, records: Records) -> dict[str, dict[str, float]]:
    """Tool id -> the scorer's numbers (policy_client.scorer_features.CANDIDATE) that the gateway knows."""
    scores = [one.score for one in found]
    mean, spread = (fmean(scores), pstdev(scores) or 1.0) if scores else (0.0, 1.0)
    best = max(scores, default=0.0)
    return {
        one.tool_id: {
            "retrieval": (one.score - mean) / spread,
            "lead": one.score - best,
            **({CASE: one.stages[CASE]} if CASE in one.stages else {}),
            **_experienced(records.get(one.tool_id)),
            "called": math.log1p(situation.called[one.tool_id]),
            "failed": math.log1p(situation.failed[one.tool_id]),
        }
        for one in found
    }


def _experienced(record: ToolRecord | None) -> dict[str, float]:
    if record is None or not record.calls:
        return {"success_rate": _UNTRIED}
    return {
        "success_rate": record.success_rate,
        "latency": math.log1p(record.latency_ms / record.calls / 1e3),
    }
