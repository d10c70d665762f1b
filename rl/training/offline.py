"""Training on a log: clipped policy gradient against the logged propensities.

Every session is compared with the others of its task, or with all where a task was played once; its steps get its
advantage, re-weighted by how much likelier the policy makes them than whoever took them (the ratio is clipped on both
sides, so a policy that has moved far learns nothing more from a step). Nothing is played: this needs no gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rl.advantages.registry import estimator_named
from rl.advantages.rollouts import ABSENT, Rollouts
from rl.data.scorer_steps import ScorerSteps
from rl.policies.scorer import Scorer, Shape, masked
from rl.rewards.presets import RewardVector
from rl.training.groups import groups
from rl.training.losses import Clip, clipped_policy_gradient, entropy, self_imitation

_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Offline:
    """What the fields are is what `toolcrib rl train --help` says of them."""

    method: str = "gradient"  # or dpo, on pairs of siblings
    reward: str = "hdpo"  # preset: otc, adareasoner, hdpo, orchestra, toolstar, spear
    epochs: int = 4  # over all steps
    minibatch: int = 512  # steps
    rate: float = 1e-3  # of Adam, falling to a tenth along a line
    advantage: str = "loo"
    entropy_bonus: float = 0.01
    imitation: float = (
        0.0  # weight of self-imitation: what did better than others becomes likelier, unclipped (paper 43)
    )
    beta: float = 0.1  # of DPO
    clip: Clip = field(default_factory=partial(Clip, 0.5, 1.0))  # wide: the log does not follow the policy
    held_back: float = 0.1  # share of the sessions that the curve is drawn on
    shape: Shape = field(default_factory=Shape)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Epoch:
    """After one pass. `value`, on the sessions held back: self-normalised estimate of the mean return."""

    number: int
    of: int
    loss: float
    value: float


@dataclass(frozen=True, slots=True)
class Data:
    """A log ready to learn from. `rewards`: per session, in the order of `steps.sessions`; `tasks`: of each session."""

    steps: ScorerSteps
    rewards: RewardVector
    tasks: tuple[str, ...]


def train(
    data: Data, options: Offline, watch: Callable[[Epoch], None] = lambda _: None, scorer: Scorer | None = None
) -> Scorer:
    """Equal data and options are equal policies. `scorer`: to go on with."""
    torch.manual_seed(options.seed)
    chance = np.random.default_rng(options.seed)
    scorer = scorer or Scorer(options.shape)
    steps = data.steps
    back = chance.random(len(steps.sessions))[steps.session] < options.held_back
    taught = np.flatnonzero(~back)
    advantage = torch.from_numpy(advantages(data, options.advantage))
    tensors = _tensors(steps)
    optimiser = torch.optim.Adam(scorer.parameters(), lr=options.rate)
    fading = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, options.epochs)
    for number in range(options.epochs):
        losses = []
        for chosen in torch.from_numpy(chance.permutation(taught)).split(options.minibatch):
            logits = _logits(scorer, tensors, chosen)
            log_prob = torch.log_softmax(logits, dim=-1).gather(1, tensors["action"][chosen][:, None])[:, 0]
            loss = clipped_policy_gradient(log_prob, tensors["behaviour"][chosen], advantage[chosen], options.clip)
            loss = loss - options.entropy_bonus * entropy(logits)
            if options.imitation:
                loss = loss + options.imitation * self_imitation(log_prob, advantage[chosen])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimiser.step()
            losses.append(float(loss.detach()))
        fading.step()
        value = _value(scorer, tensors, data, np.flatnonzero(back))
        watch(Epoch(number + 1, options.epochs, float(np.mean(losses)), value))
    scorer.eval()
    return scorer


def advantages(data: Data, estimator: str) -> np.ndarray:
    """Shape (steps,), float32, of spread 1."""
    steps = data.steps
    nodes = np.full((len(steps.sessions), int(steps.place.max()) + 1), ABSENT)
    nodes[steps.session, steps.place] = np.arange(len(steps))
    rewards = {name: np.asarray(value, np.float64) for name, value in data.rewards.values.items()}
    rollouts = Rollouts(groups(data.tasks), nodes, rewards, weights=dict(data.rewards.weights))
    found = estimator_named(estimator)(rollouts)[steps.session, steps.place]
    scaled: np.ndarray = (found / (found.std() + _TINY)).astype(np.float32)
    return scaled


def _tensors(steps: ScorerSteps) -> Mapping[str, Tensor]:
    allowed = np.concatenate([np.ones((len(steps), 3), np.bool_), steps.there, steps.there], axis=1)
    return {
        "candidates": torch.from_numpy(steps.candidates),
        "context": torch.from_numpy(steps.context),
        "there": torch.from_numpy(steps.there),
        "allowed": torch.from_numpy(allowed),
        "action": torch.from_numpy(steps.action),
        "behaviour": torch.from_numpy(steps.behaviour),
    }


def _logits(scorer: Scorer, tensors: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
    seen = scorer(tensors["candidates"][chosen], tensors["context"][chosen], tensors["there"][chosen])
    return masked(seen, tensors["allowed"][chosen])


def _value(scorer: Scorer, tensors: Mapping[str, Tensor], data: Data, rows: np.ndarray) -> float:
    """Per-step self-normalised importance weights: a curve to watch, not the estimate that promotion asks for."""
    if not len(rows):
        return float("nan")
    chosen = torch.from_numpy(rows)
    with torch.inference_mode():
        log_probs = torch.log_softmax(_logits(scorer, tensors, chosen), dim=-1)
        taken = log_probs.gather(1, tensors["action"][chosen][:, None])[:, 0]
        weights = torch.exp(taken - tensors["behaviour"][chosen]).numpy()
    worth = np.nan_to_num(data.rewards.total())[data.steps.session[rows]]
    return float((weights * worth).sum() / max(weights.sum(), _TINY))
