"""Rollouts of a scorer in simulated tool rooms, as arrays that losses and advantages read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl.advantages.rollouts import ABSENT, Rollouts
from rl.envs.baselines import Agent
from rl.envs.family import Instance
from rl.envs.simulate import FIRST_CALL, SOLVED, UTILITY, Episodes, Ints, View
from rl.policies.scorer import Scorer, masked


@dataclass(frozen=True, slots=True)
class Batch:
    """All steps of some rollouts, shape (steps, ...). `row`, `place`: which step of which rollout."""

    candidates: Tensor
    context: Tensor
    there: Tensor
    allowed: Tensor
    action: Tensor
    behaviour: Tensor  # log probability of the action under whoever took it
    row: Ints
    place: Ints

    def __len__(self) -> int:
        return len(self.action)


def as_tensors(view: View) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(view.candidates),
        torch.from_numpy(view.context),
        torch.from_numpy(view.there),
        torch.from_numpy(view.allowed),
    )


def greedy(scorer: Scorer) -> Agent:
    """The scorer as an agent that does what it thinks best."""

    def act(_episodes: Episodes, view: View) -> Ints:
        candidates, context, there, allowed = as_tensors(view)
        with torch.inference_mode():
            best: Ints = masked(scorer(candidates, context, there), allowed).argmax(dim=-1).numpy()
        return best

    return act


def collect(
    scorer: Scorer, instance: Instance, chance: np.random.Generator, *, tasks: int, rollouts: int
) -> tuple[Batch, Rollouts]:
    """Sampled actions, until every episode is over. Rewards are the terms of the declared utility, weighed by it."""
    episodes = Episodes(instance, chance, tasks, rollouts)
    seed = int(chance.integers(2**31))
    dice = torch.Generator().manual_seed(seed)
    taken: list[tuple[Tensor, ...]] = []
    rows: list[Ints] = []
    acting: list[np.ndarray] = []
    while not episodes.over.all():
        going = np.flatnonzero(~episodes.over)
        seen = as_tensors(episodes.view())
        with torch.inference_mode():
            log_probs = torch.log_softmax(masked(scorer(*seen[:3]), seen[3]), dim=-1)
            action = torch.multinomial(log_probs.exp(), 1, generator=dice)[:, 0]
        behaviour = log_probs.gather(1, action[:, None])[:, 0]
        taken.append(tuple(part[going].clone() for part in (*seen, action, behaviour)))
        rows.append(going)
        acting.append(action.numpy()[going] >= FIRST_CALL)
        episodes.step(action.numpy())
    return _batch(taken, rows), _rollouts(episodes, rows, acting, rollouts)


def _batch(taken: list[tuple[Tensor, ...]], rows: list[Ints]) -> Batch:
    candidates, context, there, allowed, action, behaviour = (torch.cat(part) for part in zip(*taken, strict=True))
    place = np.concatenate([np.full(len(going), step) for step, going in enumerate(rows)])
    return Batch(candidates, context, there, allowed, action, behaviour, np.concatenate(rows), place)


def _rollouts(episodes: Episodes, rows: list[Ints], acting: list[np.ndarray], each: int) -> Rollouts:
    nodes = np.full((episodes.size, len(rows)), ABSENT)
    actions = np.zeros(nodes.shape, np.bool_)
    for step, (going, tools) in enumerate(zip(rows, acting, strict=True)):
        nodes[going, step] = going * len(rows) + step
        actions[going, step] = tools
    group = np.arange(episodes.size) // each
    return Rollouts(group, nodes, dict(episodes.tally), weights={**UTILITY, SOLVED: 0.0}, actions=actions)
