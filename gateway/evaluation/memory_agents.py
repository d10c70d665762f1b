"""Scripted agents, no model: what they ask in a turn, and what they give back at its end."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput
from domain.memory import ToolMemory
from domain.text import words
from index.evaluation.dialogues import DialogueTurn


@dataclass(frozen=True, slots=True)
class Situation:
    """One turn as an agent meets it. `others`: what users say elsewhere in the data set."""

    turn: DialogueTurn
    memory: ToolMemory
    others: Sequence[str]
    dice: random.Random

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(gold for gold in self.turn.gold if self.turn.held_of(gold, self.memory.entries) is None)


@dataclass(frozen=True, slots=True)
class Agent:
    """`recalls`: takes folded tools back by their names. `asks`: queries. `wants`: the gold tools these should find.
    `returns`: names of tools given back.
    """

    recalls: Callable[[Situation], tuple[str, ...]]
    asks: Callable[[Situation], tuple[str, ...]]
    wants: Callable[[Situation], tuple[str, ...]]
    returns: Callable[[Situation], tuple[str, ...]]


def agent_named(name: str) -> Agent:
    """Raises InvalidInput."""
    agent = AGENTS.get(name)
    if agent is None:
        raise InvalidInput(f"No scripted agent is called {name!r}; there are {', '.join(AGENTS)}.")
    return agent


def _nothing(_: Situation) -> tuple[str, ...]:
    return ()


def _folded_ones(now: Situation) -> tuple[str, ...]:
    return tuple(gold for gold in now.missing if gold in now.memory.folded)


def _everything(now: Situation) -> tuple[str, ...]:
    return now.turn.gold


def _what_is_missing(now: Situation) -> tuple[str, ...]:
    return now.missing


def _each_need(now: Situation) -> tuple[str, ...]:
    return tuple(words(tool_id.rpartition("::")[2]) for tool_id in now.missing)


def _all_but_the_called(now: Situation) -> tuple[str, ...]:
    return tuple(entry.tool_id for entry in now.memory.entries.values() if not entry.uses and not entry.released)


def _in_the_users_words(now: Situation) -> tuple[str, ...]:
    return (now.turn.text,)


def _in_somebody_elses_words(now: Situation) -> tuple[str, ...]:
    return (now.dice.choice(now.others),)


WITHOUT_TOOLS = Agent(_nothing, _nothing, _everything, _nothing)
"""Any agent in a mode that gives it no meta-tools."""

AGENTS = {
    # Knows what it needs and what that is called; asks only for what it does not hold, and keeps only what it called.
    "perfect": Agent(_folded_ones, _each_need, _what_is_missing, _all_but_the_called),
    # Asks at every turn what its user said, and never gives anything back.
    "never": Agent(_nothing, _in_the_users_words, _everything, _nothing),
    # Asks at every turn for something else than what is needed, and never gives anything back.
    "badly": Agent(_nothing, _in_somebody_elses_words, _everything, _nothing),
}
