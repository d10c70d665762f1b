"""What a search finds. A candidate keeps its score per stage, so that a ranking can always be explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Candidate:
    """One tool in a ranking. Higher scores are better; ties are broken by `tool_id`."""

    tool_id: str
    server: str
    score: float
    stages: Mapping[str, float] = field(default_factory=dict)  # stage name -> that stage's own score


@dataclass(frozen=True, slots=True)
class Ranking:
    """The ranked answer to one query.

    `confidence`: how likely it is that something here fits; None where nobody asked, or nobody can tell. `abstained`:
    it is so small that nothing seems to fit, and the candidates are merely the nearest. `degraded`: names of the stages
    that failed and were left out. `propensity`: the probability with which these candidates were shown.
    """

    query: str
    candidates: tuple[Candidate, ...]
    profile: str
    abstained: bool = False
    confidence: float | None = None
    degraded: tuple[str, ...] = ()
    propensity: float = 1.0
    nearest: tuple[Candidate, ...] = ()  # the best that did not make it, for explain
    decided_by: str = ""  # the policy that ordered them; empty: retrieval
    context: Mapping[str, float] = field(default_factory=dict)  # what that policy looked at beside the candidates
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    by_clause: tuple[Mapping[str, float], ...] = ()  # where asked for: each clause's own scores in [0, 1]

    @property
    def servers(self) -> tuple[str, ...]:
        """Those of everything found, the nearest first: where to look further when nothing fits."""
        return tuple(dict.fromkeys(candidate.server for candidate in (*self.candidates, *self.nearest)))
