"""Which rollouts are compared with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def groups(tasks: Sequence[str]) -> npt.NDArray[np.int64]:
    """A number per task, in the order of `tasks`; those that occur once are compared with each other, as number 0."""
    played = Counter(tasks)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(task, len(numbers) + 1) if played[task] > 1 else 0 for task in tasks])
