"""Rollouts that branch where the policy is undecided after a tool's result (ARPO, paper 21), in simulated rooms.

As its released code has it: of a task's rollouts a part begins at the task; each of the others is a copy of one that
just got a result, made with probability 1/2 + weight (H_now - H_first), where H is the entropy of the next action over
its largest possible, until the task has no rollout left to give. A copy shares the steps before it, so that `fork`
compares what followed. Ours: entropy is that of one action, where a language model's is of its first 20 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rl.advantages.rollouts import ABSENT, Rollouts
from rl.envs.family import Instance
from rl.envs.simulate import FIRST_CALL, FIRST_REMOVAL, HORIZON, SOLVED, UTILITY, Bools, Episodes, Ints
from rl.policies.scorer import Scorer, masked
from rl.training.collecting import Batch, as_tensors


@dataclass(frozen=True, slots=True)
class Branching:
    """`share` of a task's rollouts that begin as copies; 1/2 in ARPO, as is `base`; its `entropy_weight` is .2."""

    share: float = 0.5
    base: float = 0.5
    entropy_weight: float = 0.2


def collect_branched(
    scorer: Scorer, instance: Instance, chance: np.random.Generator, tasks: int, rollouts: int, branching: Branching
) -> tuple[Batch, Rollouts]:
    """As `collecting.collect`; at most `rollouts` of each task, fewer where nobody was undecided."""
    episodes = Episodes(instance, chance, tasks, rollouts)
    dice = torch.Generator().manual_seed(int(chance.integers(2**31)))
    tree = _Tree(episodes, rollouts, branching)
    first: np.ndarray | None = None
    taken: list[tuple[Tensor, ...]] = []
    rows: list[Ints] = []
    while not episodes.over.all():
        seen = as_tensors(episodes.view())
        with torch.inference_mode():
            log_probs = torch.log_softmax(masked(scorer(*seen[:3]), seen[3]), dim=-1)
        undecided = relative_entropy(log_probs, seen[3]).numpy()
        first = undecided if first is None else first
        if tree.branch(undecided - first, chance):
            continue  # the copies act beside those they were copied from
        going = np.flatnonzero(~episodes.over)
        action = torch.multinomial(log_probs.exp(), 1, generator=dice)[:, 0]
        behaviour = log_probs.gather(1, action[:, None])[:, 0]
        taken.append(tuple(part[going].clone() for part in (*seen, action, behaviour)))
        rows.append(going)
        tree.acted(going, action.numpy())
        episodes.step(action.numpy())
    return tree.results(taken, rows)


def relative_entropy(log_probs: Tensor, allowed: Tensor) -> Tensor:
    """Shape (B,): 0 for one who is certain, 1 for one to whom all that is allowed is alike."""
    entropy = -(log_probs.exp() * log_probs).sum(dim=-1)
    return entropy / torch.log(allowed.sum(dim=-1).clamp(min=2).float())


class _Tree:
    """Which rows are under way, which wait to be copies, and which steps they share."""

    def __init__(self, episodes: Episodes, rollouts: int, branching: Branching) -> None:
        self._episodes = episodes
        self._branching = branching
        self._task = np.arange(episodes.size) // rollouts
        self._free = np.arange(episodes.size) % rollouts >= max(1, round(rollouts * (1 - branching.share)))
        self._nodes = np.full((episodes.size, HORIZON), ABSENT)
        self._actions = np.zeros((episodes.size, HORIZON), np.bool_)
        self._asked = -1
        episodes.over |= self._free

    def branch(self, rise: np.ndarray, chance: np.random.Generator) -> bool:
        """Make copies, once per step of the episodes; says whether there are any."""
        step = self._episodes.steps
        if step in {0, self._asked}:
            return False
        self._asked = step
        called: Bools = self._actions[:, step - 1] & ~self._episodes.over
        likely = self._branching.base + self._branching.entropy_weight * rise
        sources = np.flatnonzero(called & (chance.random(len(rise)) < likely))
        pairs = [pair for source in sources.tolist() if (pair := self._pair(source)) is not None]
        for source, target in pairs:
            self._episodes.copy(source, target)
            self._nodes[target] = self._nodes[source]
            self._actions[target] = self._actions[source]
        return bool(pairs)

    def _pair(self, source: int) -> tuple[int, int] | None:
        free = np.flatnonzero(self._free & (self._task == self._task[source]))
        if not len(free):
            return None
        self._free[free[0]] = False
        return source, int(free[0])

    def acted(self, going: Ints, action: Ints) -> None:
        step = self._episodes.steps
        self._nodes[going, step] = going * HORIZON + step
        self._actions[going, step] = (action[going] >= FIRST_CALL) & (action[going] < FIRST_REMOVAL)

    def results(self, taken: list[tuple[Tensor, ...]], rows: list[Ints]) -> tuple[Batch, Rollouts]:
        """Rows that never became a rollout are left out."""
        used = ~self._free
        number = np.cumsum(used) - 1
        place = np.concatenate([np.full(len(going), step) for step, going in enumerate(rows)])
        candidates, context, there, allowed, action, behaviour = (torch.cat(part) for part in zip(*taken, strict=True))
        row = number[np.concatenate(rows)]
        batch = Batch(candidates, context, there, allowed, action, behaviour, row, place)
        tally = {name: values[used] for name, values in self._episodes.tally.items()}
        weights = {**UTILITY, SOLVED: 0.0}
        return batch, Rollouts(self._task[used], self._nodes[used], tally, weights=weights, actions=self._actions[used])
