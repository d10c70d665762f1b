"""The text policy's logits over whole menus: a forward pass per action."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rl.data.text_steps import TextDecision
from rl.policies.text import Reader, TextPolicy

_NOWHERE = -1e9


def menu_logits(policy: TextPolicy, reader: Reader, some: Sequence[TextDecision]) -> tuple[Tensor, Tensor]:
    """Logits, shape (n, longest menu), far below others where a menu has ended; and the chosen places, shape (n,)."""
    scores = policy(**reader([(one.state, action) for one in some for action in one.actions], policy.device))
    sizes = [len(one.actions) for one in some]
    logits = torch.nn.utils.rnn.pad_sequence(scores.split(sizes), batch_first=True, padding_value=_NOWHERE)
    return logits, torch.tensor([one.chosen for one in some], device=scores.device)
