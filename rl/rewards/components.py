"""The components, one function each: episodes in, shape (n,) out; nan is None, the component does not apply.

They take all episodes of a batch at once, for some compare: `otc` with the correct ones of a task.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from rl.rewards.episode import Call, Episode

Array = npt.NDArray[np.float64]
Component = Callable[[Sequence[Episode]], Array]


def format_(episodes: Sequence[Episode]) -> Array:
    """1 if every turn could be parsed, else 0 (the product over turns of paper 12)."""
    return _each(episodes, lambda episode: float(episode.well_formed))


def schema_valid(episodes: Sequence[Episode]) -> Array:
    """The share of calls whose arguments fit the schema; None without a call."""
    return _each(episodes, lambda episode: _share(episode.calls, lambda call: call.valid))


def executed(episodes: Sequence[Episode]) -> Array:
    """The share of calls that the tool answered; None without a call (paper 6: executed, not judged from text)."""
    return _each(episodes, lambda episode: _share(episode.calls, lambda call: call.executed))


def outcome(episodes: Sequence[Episode]) -> Array:
    """1 for success, 0 for failure, None where nobody judged it."""
    return _each(episodes, lambda episode: None if episode.success is None else float(episode.success))


def f1_calls(episodes: Sequence[Episode]) -> Array:
    """F1 of sub-tasks solved of those needed and useful calls of those made (paper 14); None where it is unknown.

    >>> f1_calls([Episode("t", (Call("a", useful=True), Call("b", useful=False)), needed=1, solved=1)])
    array([0.66666667])
    """
    return _each(episodes, _f1)


def tool_credit(episodes: Sequence[Episode]) -> Array:
    """1 for a right answer, with or without tools; else the F1 of the calls, 0 without one (paper 12's asymmetry)."""
    return _each(episodes, lambda one: 1.0 if one.success else (_f1(one) or 0.0) if one.calls else 0.0)


def otc(episodes: Sequence[Episode]) -> Array:
    """sin(pi m / (m + n)): m calls where n are the fewest of the task's correct episodes (paper 4, GRPO form).

    1 if m = n = 0; cos(pi m / (2 m + c)) with c = 1 where n = 0 and m is not; 1 where no episode of the task was
    correct, for then n is undefined. It multiplies what it is gated by; alone it says nothing.
    """
    return np.array(
        [_otc(len(one.calls), fewest) for one, fewest in zip(episodes, fewest_calls(episodes), strict=True)]
    )


def efficiency(episodes: Sequence[Episode]) -> Array:
    """1 / (T + 1) of a correct episode with T calls, None of any other (paper 17)."""
    return _each(episodes, lambda episode: 1 / (len(episode.calls) + 1) if episode.success else None)


def cost(episodes: Sequence[Episode]) -> Array:
    """Minus the price of all calls."""
    return _each(episodes, lambda episode: -sum(call.price for call in episode.calls))


def latency(episodes: Sequence[Episode]) -> Array:
    """Minus the seconds of all calls."""
    return _each(episodes, lambda episode: -sum(call.latency_s for call in episode.calls))


def ce_gain(episodes: Sequence[Episode]) -> Array:
    """How much likelier searching made the gold tool: CE_0 - CE_T, which telescopes (paper 44); None without a search.

    >>> float(ce_gain([Episode("t", gold_nll=(2.0, 1.5, 0.5))])[0])
    1.5
    """
    return _each(episodes, lambda one: one.gold_nll[0] - one.gold_nll[-1] if one.gold_nll else None)


def fewest_calls(episodes: Sequence[Episode]) -> list[int | None]:
    """Per episode, the fewest calls of its task's correct episodes."""
    fewest: dict[str, int] = {}
    for episode in episodes:
        if episode.success:
            fewest[episode.task] = min(fewest.get(episode.task, len(episode.calls)), len(episode.calls))
    return [fewest.get(episode.task) for episode in episodes]


def _otc(made: int, fewest: int | None) -> float:
    if fewest is None or (made == 0 and fewest == 0):
        return 1.0
    if fewest == 0:
        return math.cos(math.pi * made / (2 * made + 1))
    return math.sin(math.pi * made / (made + fewest))


def _f1(episode: Episode) -> float | None:
    if not episode.needed or episode.solved is None or any(call.useful is None for call in episode.calls):
        return None
    recall = episode.solved / episode.needed
    precision = _share(episode.calls, lambda call: bool(call.useful)) or 0.0
    return 2 * recall * precision / (recall + precision) if recall + precision else 0.0


def _share(calls: Sequence[Call], holds: Callable[[Call], bool]) -> float | None:
    return sum(map(holds, calls)) / len(calls) if calls else None


def _each(episodes: Sequence[Episode], value: Callable[[Episode], float | None]) -> Array:
    found = [value(episode) for episode in episodes]
    return np.array([np.nan if one is None else one for one in found], dtype=np.float64)


COMPONENTS: Mapping[str, Component] = {
    "format": format_,
    "schema_valid": schema_valid,
    "executed": executed,
    "outcome": outcome,
    "f1_calls": f1_calls,
    "tool_credit": tool_credit,
    "otc": otc,
    "efficiency": efficiency,
    "cost": cost,
    "latency": latency,
    "ce_gain": ce_gain,
}
