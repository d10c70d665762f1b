"""Clipped policy gradient for the text policy, on logged propensities: every action of a decision's menu is scored, and
the chosen one becomes likelier by how much better than others it turned out.

A forward pass per action makes this dear on a CPU: `slots` bounds what is looked at. A decision whose choice lies
outside it is left out, for such a policy would never make that choice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rl.advantages.registry import estimator_named
from rl.advantages.rollouts import Rollouts
from rl.data.text_steps import TextDecision
from rl.policies.text import Reader, TextPolicy
from rl.training.groups import groups
from rl.training.losses import clipped_policy_gradient, entropy
from rl.training.text_menus import menu_logits
from rl.training.text_options import Descent, TextOptions, TextProgress, Watch, apart, device_named, minibatches

_TINY = 1e-6


def train_on_decisions(
    policy: TextPolicy, reader: Reader, found: Sequence[TextDecision], options: TextOptions,
    watch: Watch = lambda _: None,
) -> dict[str, float]:  # fmt: skip
    """Trains `policy` in place; equal data and options are equal policies. Returns counts, and the self-normalised
    importance-weighted worth on the states held back. `found`: each with propensity and worth.
    """
    device = device_named(options.device)
    torch.manual_seed(options.seed)
    policy.to(device)
    taught, back = apart(found, [decision.state for decision in found], options.held_back)
    advantage = torch.from_numpy(_advantages(taught)).to(device)
    behaviour = torch.tensor([np.log(decision.propensity or 1.0) for decision in taught], device=device).float()
    steps = minibatches(len(taught), options)
    descend = Descent(policy, options, len(steps))
    policy.train()
    for number, rows in enumerate(steps, start=1):
        logits, chosen = menu_logits(policy, reader, [taught[row] for row in rows])
        log_prob = torch.log_softmax(logits, dim=-1).gather(1, chosen[:, None])[:, 0]
        loss = clipped_policy_gradient(log_prob, behaviour[rows], advantage[rows], options.clip)
        loss = loss - options.entropy_bonus * entropy(logits)
        descend(loss)
        watch(TextProgress(number, len(steps), float(loss.detach())))
    policy.eval()
    value = _value(policy, reader, back)
    return {"decisions": float(len(taught)), "held_back_decisions": float(len(back)), "held_back_value": value}


def _advantages(taught: Sequence[TextDecision]) -> np.ndarray:
    """Leave-one-out (paper 39) among the decisions of one state, or among all where each came once; of spread 1."""
    worth = np.array([decision.worth for decision in taught], float)
    rollouts = Rollouts(
        groups([decision.state for decision in taught]), np.arange(len(taught))[:, None], {"success": worth}
    )
    found = estimator_named("loo")(rollouts)[:, 0]
    scaled: np.ndarray = (found / (found.std() + _TINY)).astype(np.float32)
    return scaled


def _value(policy: TextPolicy, reader: Reader, back: Sequence[TextDecision]) -> float:
    if not back:
        return float("nan")
    weights, worth = [], []
    with torch.inference_mode():
        for one in back:
            logits, chosen = menu_logits(policy, reader, [one])
            likely = float(torch.softmax(logits[0], dim=-1)[int(chosen[0])])
            weights.append(likely / (one.propensity or 1.0))
            worth.append(one.worth or 0.0)
    return float(np.dot(weights, worth) / max(sum(weights), _TINY))
