"""Reads a folder in the data set form as dialogues: every turn, those that need no tool too.

A query without turns is a dialogue of one turn.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from index.evaluation.dataset import LabelledTool, named_list, read_rows, read_tools, required_text


@dataclass(frozen=True, slots=True)
class DialogueTurn:
    """What a user says, and the tools that answering it takes; often none."""

    text: str
    gold: tuple[str, ...] = ()
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # gold tool -> equally good tools

    def held_of(self, tool_id: str, held: Mapping[str, Any]) -> str | None:
        """The held tool that is this gold tool or as good."""
        return next((name for name in (tool_id, *self.alternatives.get(tool_id, ())) if name in held), None)


@dataclass(frozen=True, slots=True)
class Dialogues:
    """Tools and dialogues of one folder and split."""

    name: str
    tools: tuple[LabelledTool, ...]
    dialogues: tuple[tuple[DialogueTurn, ...], ...]

    def session(self, turns: int, seed: int) -> tuple[DialogueTurn, ...]:
        """So many turns: the dialogues one after the other in an order of the seed's, again when they are used up."""
        dice = random.Random(seed)  # noqa: S311 - no secret, and the same everywhere
        said: list[DialogueTurn] = []
        while len(said) < turns:
            for dialogue in dice.sample(self.dialogues, len(self.dialogues)):
                said += dialogue
        return tuple(said[:turns])


def load_dialogues(folder: Path, *, split: str) -> Dialogues:
    """Every dialogue of the splits whose name begins so. Labels of whole servers name no tool, and are left out.

    Raises InvalidInput when the folder is no data set or no dialogue is left.
    """
    tools = read_tools(folder)
    rows = list(read_rows(folder / "queries.jsonl", lambda row: (required_text(row, "split"), _dialogue(row))))
    chosen = tuple(
        dialogue for name, dialogue in rows if name.startswith(split) and any(turn.gold for turn in dialogue)
    )
    if not chosen:
        known = ", ".join(sorted({name for name, _ in rows})) or "none"
        raise InvalidInput(
            f"{folder} has no dialogues with gold tools in a split that begins with {split!r}; it has {known}."
        )
    return Dialogues(folder.resolve().name, tools, chosen)


def _dialogue(row: Mapping[str, Any]) -> tuple[DialogueTurn, ...]:
    turns: Sequence[Mapping[str, Any]] = row.get("turns") or (row,)
    alternatives = row.get("gold_alternatives") or {}
    equal = {tool: named_list(alternatives, tool) for tool in alternatives}
    return tuple(DialogueTurn(required_text(turn, "query"), named_list(turn, "gold"), equal) for turn in turns)
