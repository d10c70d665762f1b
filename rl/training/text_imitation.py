"""Behaviour cloning for the text policy: the call that an agent made becomes likelier than those beside it.

The cross-entropy of the choice over its menu. Needs neither judgements nor propensities, so a log of agents that went
their own way will do; it learns to order tools as they did, and no better than they chose.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy

from rl.data.text_steps import TextDecision
from rl.policies.text import Reader, TextPolicy
from rl.training.text_menus import menu_logits
from rl.training.text_options import Descent, TextOptions, TextProgress, Watch, apart, device_named, minibatches


def train_by_imitation(
    policy: TextPolicy, reader: Reader, found: Sequence[TextDecision], options: TextOptions,
    watch: Watch = lambda _: None,
) -> dict[str, float]:  # fmt: skip
    """Trains `policy` in place; equal data and options are equal policies. Returns counts, and the share of the choices
    held back that it puts first.
    """
    device = device_named(options.device)
    torch.manual_seed(options.seed)
    policy.to(device)
    taught, back = apart(found, [decision.state for decision in found], options.held_back)
    steps = minibatches(len(taught), options)
    descend = Descent(policy, options, len(steps))
    policy.train()
    for number, rows in enumerate(steps, start=1):
        loss = cross_entropy(*menu_logits(policy, reader, [taught[row] for row in rows]))
        descend(loss)
        watch(TextProgress(number, len(steps), float(loss.detach())))
    policy.eval()
    measured = {"decisions": float(len(taught)), "held_back_decisions": float(len(back))}
    return measured | ({"held_back_first": _first(policy, reader, back)} if back else {})


def _first(policy: TextPolicy, reader: Reader, back: Sequence[TextDecision]) -> float:
    right = 0
    with torch.inference_mode():
        for one in back:
            logits, chosen = menu_logits(policy, reader, [one])
            right += int(logits[0].argmax()) == int(chosen[0])
    return right / len(back)
