"""The losses, one line per term, under their papers' names. Shapes: (steps,) unless said otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Clip:
    """Bounds of the ratio: asymmetric as in DAPO (paper 7), .2 below and .28 above."""

    low: float = 0.2
    high: float = 0.28


def clipped_policy_gradient(log_prob: Tensor, behaviour: Tensor, advantage: Tensor, clip: Clip) -> Tensor:
    """-mean min(rho A, clip(rho) A), rho = pi / mu (PPO). `behaviour`: log of mu, the logged propensity."""
    ratio = torch.exp(log_prob - behaviour)
    bounded = torch.clamp(ratio, 1 - clip.low, 1 + clip.high)
    return -torch.minimum(ratio * advantage, bounded * advantage).mean()


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy in nats of the distributions in the rows, shape (steps, actions)."""
    log_probs = functional.log_softmax(logits, dim=-1)
    return -(log_probs.exp() * log_probs).sum(dim=-1).mean()


def direct_preference(
    chosen: Tensor, rejected: Tensor, reference_chosen: Tensor, reference_rejected: Tensor, beta: float = 0.1
) -> Tensor:
    """-log sigmoid(beta ((log p - log p_ref)(chosen) - (log p - log p_ref)(rejected))) (DPO; paper 2's pairs)."""
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -functional.logsigmoid(beta * margin).mean()


def self_imitation(log_prob: Tensor, advantage: Tensor) -> Tensor:
    """-mean max(A, 0) log pi, over replayed steps of earlier policies (SIL; paper 43)."""
    return -(torch.clamp(advantage, min=0.0) * log_prob).mean()
