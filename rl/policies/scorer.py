"""The scorer: logits of answer, search, stop, and of a call and a removal of each candidate.

Permutation-equivariant: a candidate's logits depend on itself and on the set, not on its place (deep sets with mean and
maximum, as the order of candidates is already a feature). The transition graph's log share is added to the logit of a
call, times a learnt factor that begins at 1: the prior decides until there is evidence against it (papers 5, 23).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from policy_client.scorer_features import CANDIDATE, CONTEXT, META

_GRAPH = CANDIDATE.index("graph")
_NOWHERE = -1e9
_RARELY = -3.0


@dataclass(frozen=True, slots=True)
class Shape:
    """How large it is; 88 makes about 50,000 parameters."""

    hidden: int = 88


class Scorer(nn.Module):
    """Candidates (B, N, F), context (B, G), there (B, N) -> logits (B, 3 + 2 N)."""

    def __init__(self, shape: Shape | None = None) -> None:
        super().__init__()
        self.shape = shape or Shape()
        width = self.shape.hidden
        self.candidate_net = nn.Sequential(
            nn.Linear(len(CANDIDATE) + len(CONTEXT), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )
        self.whole_net = nn.Sequential(nn.Linear(len(CONTEXT) + 2 * width, width), nn.ReLU())
        self.meta_head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, len(META)))
        self.each_head = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 2))
        self.graph_prior = nn.Parameter(torch.ones(1))
        with torch.no_grad():  # an untrained scorer rather calls than gives up or forgets
            self.meta_head[-1].bias[META.index("stop")] = _RARELY
            self.each_head[-1].bias[1] = _RARELY

    def forward(self, candidates: Tensor, context: Tensor, there: Tensor) -> Tensor:
        size, slots, _ = candidates.shape
        around = context[:, None, :].expand(size, slots, context.shape[1])
        filled = there[..., None].to(candidates.dtype)
        one = self.candidate_net(torch.cat([candidates, around], dim=-1)) * filled
        mean = one.sum(dim=1) / filled.sum(dim=1).clamp(min=1.0)
        whole = self.whole_net(torch.cat([context, mean, one.amax(dim=1)], dim=-1))
        each = self.each_head(torch.cat([one, whole[:, None, :].expand(size, slots, whole.shape[1])], dim=-1))
        calls = each[..., 0] + self.graph_prior * candidates[..., _GRAPH]
        logits: Tensor = torch.cat([self.meta_head(whole), calls, each[..., 1]], dim=-1)
        return logits

    @property
    def parameter_count(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())


def masked(logits: Tensor, allowed: Tensor) -> Tensor:
    """Logits of what is not allowed, far below the others."""
    return logits.masked_fill(~allowed, _NOWHERE)


def settings_of(scorer: Scorer) -> dict[str, int]:
    return asdict(scorer.shape)
