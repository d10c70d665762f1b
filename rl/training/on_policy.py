"""Training in simulated rooms: roll out, compare within tasks, step uphill within bounds (GRPO and its kin).

One method, readable from top to bottom. Each round draws a room from those trained on and plays `tasks` tasks
`rollouts` times each; the estimator turns what they earned into advantages; `epochs` passes of clipped policy gradient
follow, with an entropy bonus that fades, and self-imitation of the best earlier steps (paper 43).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from domain.errors import InvalidInput
from rl.advantages.registry import estimator_named
from rl.envs.family import Instance, instances
from rl.envs.simulate import SOLVED
from rl.policies.scorer import Scorer, Shape, masked
from rl.rewards.presets import Cosine
from rl.training.branching import Branching, collect_branched
from rl.training.collecting import Batch, collect
from rl.training.losses import Clip, clipped_policy_gradient, entropy, self_imitation


@dataclass(frozen=True, slots=True)
class OnPolicy:
    """What the fields are is what `toolcrib rl train --help` says of them."""

    rounds: int = 200  # of rolling out and stepping
    tasks: int = 48  # per round
    rollouts: int = 16  # of each task
    rooms: int = 64  # instances of the family to train on
    epochs: int = 2  # over the steps of a round
    minibatch: int = 1024  # steps
    rate: float = 2e-3  # of Adam, falling to a tenth along a line
    advantage: str = "loo"
    entropy_bonus: float = 0.05  # fading to nothing
    early_bonus: float = 0.6  # for each need met, fading to nothing over half of the rounds (paper 43's call bonus)
    branching: float = 0.0  # share of the rollouts that branch off where the policy is undecided (paper 21)
    imitation: float = 0.0  # weight of self-imitation
    replayed: int = 8  # rounds whose best steps are remembered
    clip: Clip = field(default_factory=Clip)
    shape: Shape = field(default_factory=Shape)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """After one round. `utility`: mean over its episodes."""

    round: int
    of: int
    utility: float
    success: float
    calls: float
    entropy: float


def train(
    options: OnPolicy, watch: Callable[[Progress], None] = lambda _: None, scorer: Scorer | None = None
) -> Scorer:
    """Equal options are equal policies. `scorer`: to go on with. Raises InvalidInput for options that make no sense."""
    if not 0 <= options.branching < 1:
        raise InvalidInput(f"The share of rollouts that branch off is at least 0 and below 1, not {options.branching}.")
    if min(options.rounds, options.tasks, options.epochs, options.rooms) < 1 or options.rollouts < _COMPARED:
        raise InvalidInput("Training needs a round, a task and a room, and two rollouts of a task to compare.")
    torch.manual_seed(options.seed)
    chance = np.random.default_rng(options.seed)
    rooms = instances(options.rooms, options.seed, held_out=False)
    scorer = scorer or Scorer(options.shape)
    optimiser = torch.optim.Adam(scorer.parameters(), lr=options.rate)
    fading = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, options.rounds)
    best: deque[tuple[Batch, Tensor]] = deque(maxlen=options.replayed)
    for number in range(options.rounds):
        batch, advantage, progress = _round(scorer, rooms, chance, options, number)
        bonus = options.entropy_bonus * (1 - number / options.rounds)
        for chosen in _minibatches(len(batch), options, chance):
            logits = _logits(scorer, batch, chosen)
            log_prob = _log_prob(logits, batch, chosen)
            loss = clipped_policy_gradient(log_prob, batch.behaviour[chosen], advantage[chosen], options.clip)
            loss = loss - bonus * entropy(logits)
            if options.imitation and best:
                loss = loss + options.imitation * _imitated(scorer, best, options, chance)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(scorer.parameters(), 1.0)
            optimiser.step()
        fading.step()
        best.append((batch, advantage))
        watch(progress)
    scorer.eval()
    return scorer


_COMPARED = 2


def _round(
    scorer: Scorer, rooms: Sequence[Instance], chance: np.random.Generator, options: OnPolicy, number: int
) -> tuple[Batch, Tensor, Progress]:
    room = rooms[int(chance.integers(len(rooms)))]
    if options.branching:
        branching = Branching(options.branching)
        batch, rollouts = collect_branched(scorer, room, chance, options.tasks, options.rollouts, branching)
    else:
        batch, rollouts = collect(scorer, room, chance, tasks=options.tasks, rollouts=options.rollouts)
    bonus = options.early_bonus * Cosine(1.0, 0.0, max(options.rounds // 2, 1))(number)
    paid = replace(rollouts, weights={**rollouts.weights, SOLVED: bonus})
    advantage = estimator_named(options.advantage)(paid)[batch.row, batch.place]
    advantage = advantage / (advantage.std() + _TINY)  # rooms pay differently; their steps should not
    calls = (rollouts.actions & rollouts.there).sum(axis=1) if rollouts.actions is not None else np.zeros(1)
    progress = Progress(
        number + 1,
        options.rounds,
        float(rollouts.total().mean()),
        float(rollouts.rewards["outcome"].mean()),
        float(calls.mean()),
        float(-batch.behaviour.mean()),
    )
    return batch, torch.from_numpy(advantage.astype(np.float32)), progress


_TINY = 1e-6


def _minibatches(steps: int, options: OnPolicy, chance: np.random.Generator) -> list[Tensor]:
    orders = [torch.from_numpy(chance.permutation(steps)) for _ in range(options.epochs)]
    return [part for order in orders for part in order.split(options.minibatch)]


def _logits(scorer: Scorer, batch: Batch, chosen: Tensor) -> Tensor:
    return masked(scorer(batch.candidates[chosen], batch.context[chosen], batch.there[chosen]), batch.allowed[chosen])


def _log_prob(logits: Tensor, batch: Batch, chosen: Tensor) -> Tensor:
    return torch.log_softmax(logits, dim=-1).gather(1, batch.action[chosen][:, None])[:, 0]


def _imitated(
    scorer: Scorer, best: deque[tuple[Batch, Tensor]], options: OnPolicy, chance: np.random.Generator
) -> Tensor:
    batch, advantage = best[int(chance.integers(len(best)))]
    chosen = torch.from_numpy(chance.choice(len(batch), min(options.minibatch, len(batch)), replace=False))
    return self_imitation(_log_prob(_logits(scorer, batch, chosen), batch, chosen), advantage[chosen])
