"""DPO for the text policy, on pairs of siblings: what led to success against what did not, in one state (paper 2).

Two actions of one state share the softmax's normaliser, so log pi(w) - log pi(l) is the difference of their scores, and
two forward passes are enough. The reference is the policy that training begins with. Needs judgements and no
propensities: agents' own choices will do.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rl.data.text_steps import Pair
from rl.policies.text import Reader, TextPolicy
from rl.training.losses import direct_preference
from rl.training.text_options import Descent, TextOptions, TextProgress, Watch, apart, device_named, minibatches

_READ = 32  # pairs per forward pass where nothing is learnt


def train_on_pairs(
    policy: TextPolicy, reader: Reader, made: Sequence[Pair], options: TextOptions, watch: Watch = lambda _: None
) -> dict[str, float]:
    """Trains `policy` in place; equal data and options are equal policies. Returns counts, and the share of the pairs
    of states held back that it puts in the right order.
    """
    device = device_named(options.device)
    torch.manual_seed(options.seed)
    policy.to(device)
    taught, back = apart(made, [pair.state for pair in made], options.held_back)
    chosen_before, rejected_before = _as_they_are(policy, reader, taught)
    steps = minibatches(len(taught), options)
    descend = Descent(policy, options, len(steps))
    policy.train()
    for number, rows in enumerate(steps, start=1):
        chosen, rejected = _scores(policy, reader, [taught[row] for row in rows])
        loss = direct_preference(chosen, rejected, chosen_before[rows], rejected_before[rows], options.beta)
        descend(loss)
        watch(TextProgress(number, len(steps), float(loss.detach())))
    policy.eval()
    chosen, rejected = _as_they_are(policy, reader, back)
    measured = {"pairs": float(len(taught)), "held_back_pairs": float(len(back))}
    return measured | ({"held_back_right": float((chosen > rejected).float().mean())} if back else {})


def _scores(policy: TextPolicy, reader: Reader, made: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """Of the chosen and of the rejected actions, shape (n,) each."""
    texts = [(pair.state, pair.chosen) for pair in made] + [(pair.state, pair.rejected) for pair in made]
    scores = policy(**reader(texts, policy.device))
    return scores[: len(made)], scores[len(made) :]


def _as_they_are(policy: TextPolicy, reader: Reader, made: Sequence[Pair]) -> tuple[Tensor, Tensor]:
    """Scores without learning. A policy that was never trained is indifferent, and need not be asked."""
    if policy.is_indifferent or not made:
        return (torch.zeros(len(made), device=policy.device),) * 2
    policy.eval()
    with torch.inference_mode():
        parts = [_scores(policy, reader, made[at : at + _READ]) for at in range(0, len(made), _READ)]
    chosen, rejected = (torch.cat(part) for part in zip(*parts, strict=True))
    return chosen.clone(), rejected.clone()
