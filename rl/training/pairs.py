"""DPO for the scorer, on pairs of siblings of a log (paper 2): in one state, what led to success against what did not.

Both actions share the softmax's normaliser, so the difference of two logits is all there is to compare. The reference
is the policy that training begins with, as it then is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rl.data.scorer_pairs import CHOSEN, REJECTED, STATE
from rl.data.scorer_steps import Ints, ScorerSteps
from rl.policies.scorer import Scorer
from rl.training.losses import direct_preference
from rl.training.offline import Epoch, Offline


def train_on_pairs(
    steps: ScorerSteps,
    made: Ints,
    options: Offline,
    watch: Callable[[Epoch], None] = lambda _: None,
    scorer: Scorer | None = None,
) -> Scorer:
    """Equal data and options are equal policies. `made`: of `sibling_pairs`. `Epoch.value`: the share of the pairs held
    back, whole sessions of them, that are in the right order; nan where none are.
    """
    torch.manual_seed(options.seed)
    chance = np.random.default_rng(options.seed)
    scorer = scorer or Scorer(options.shape)
    back = chance.random(len(steps.sessions))[steps.session[made[:, STATE]]] < options.held_back
    taught, held = torch.from_numpy(made[~back]), torch.from_numpy(made[back])
    with torch.inference_mode():
        before = [part.clone() for part in _logits(scorer.eval(), steps, taught)]
    scorer.train()
    optimiser = torch.optim.Adam(scorer.parameters(), lr=options.rate)
    fading = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, options.epochs)
    for number in range(options.epochs):
        losses = []
        for rows in torch.from_numpy(chance.permutation(len(taught))).split(options.minibatch):
            chosen, rejected = _logits(scorer, steps, taught[rows])
            loss = direct_preference(chosen, rejected, before[0][rows], before[1][rows], options.beta)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        fading.step()
        watch(Epoch(number + 1, options.epochs, float(np.mean(losses)), right_share(scorer, steps, held)))
    scorer.eval()
    return scorer


def right_share(scorer: Scorer, steps: ScorerSteps, made: Tensor) -> float:
    """Of these pairs, those whose chosen action has the higher logit."""
    if not len(made):
        return float("nan")
    with torch.inference_mode():
        chosen, rejected = _logits(scorer, steps, made)
    return float((chosen > rejected).float().mean())


def _logits(scorer: Scorer, steps: ScorerSteps, made: Tensor) -> tuple[Tensor, Tensor]:
    """Of the chosen and of the rejected action, shape (pairs,) each."""
    states = made[:, STATE].numpy()
    seen = scorer(*(torch.from_numpy(part[states]) for part in (steps.candidates, steps.context, steps.there)))
    return seen.gather(1, made[:, CHOSEN, None])[:, 0], seen.gather(1, made[:, REJECTED, None])[:, 0]
