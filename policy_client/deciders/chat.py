"""A language model as the policy: OpenAI-compatible chat, with an answer that can only name what is offered.

The schema lists the ids of the tools, so a server with structured output cannot write another; an answer that has one
all the same is rejected as a whole, never guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from policy_client.decision import Decision, Question, decision_of
from policy_client.http.chat import ChatClient
from policy_client.http.failures import ModelNonsense
from policy_client.scorer_features import META
from policy_client.text_form import META_TEXTS, state_text

NAME = "chat"

_INSTRUCTIONS = (
    "You choose tools for an agent. `order`: ids of the offered tools, the one to call first in front; leave out what "
    "does not help. `remove`: ids of held tools that are not needed any more. `next`: the id to call now, or one of "
    f"{', '.join(f'{name} ({text})' for name, text in META_TEXTS.items())}."
)

_STEP = 1.0
"""Logits between two places of the model's order: it gives an order, no probabilities."""


class ChatDecider:
    """Fits the port `Decider`."""

    name = NAME
    reads_texts = True

    def __init__(self, chat: ChatClient) -> None:
        self._chat = chat

    @property
    def version(self) -> str:
        return f"chat:{self._chat.model}"

    async def decide(self, question: Question) -> Decision:
        """Raises the failures of `ChatClient`; ModelNonsense for an answer that names what was not offered."""
        answer = await self._chat.answer(_INSTRUCTIONS, prompt(question), schema(question))
        order, leaving, chosen = self._read(question, answer)
        last = len(question.options)
        calls = [-_STEP * (order.index(one.tool_id) if one.tool_id in order else last) for one in question.options]
        removals = [0.0 if one.tool_id in leaving else -_STEP * (last + 1) for one in question.held]
        meta = [_STEP if name == chosen else -_STEP * (last + 1) for name in META]
        return decision_of(question, calls, removals, meta, by=(NAME, self.version))

    async def aclose(self) -> None:
        await self._chat.aclose()

    def _read(self, question: Question, answer: Mapping[str, Any]) -> tuple[list[str], list[str], str]:
        """Order, removals and next action; the next tool is the first of the order."""
        offered = {option.tool_id for option in question.options}
        held = {option.tool_id for option in question.held}
        order, leaving = _names(answer.get("order"), offered), _names(answer.get("remove"), held)
        chosen = answer.get("next")
        if order is None or leaving is None or chosen not in {*offered, *META}:
            raise ModelNonsense(f"The policy {self.version} named a tool that was not offered, or left its order out.")
        first = [chosen] if chosen in offered else []
        return list(dict.fromkeys([*first, *order])), leaving, str(chosen)


def prompt(question: Question) -> str:
    offered = [
        {"id": option.tool_id, "does": option.description, **({"held": True} if option.held else {})}
        for option in question.options
    ]
    return json.dumps({"request": state_text(question.request, question.calls), "offered": offered}, ensure_ascii=False)


def schema(question: Question) -> dict[str, Any]:
    ids = [option.tool_id for option in question.options]
    some = {"type": "array", "items": {"type": "string", "enum": ids}} if ids else {"type": "array", "maxItems": 0}
    held = [option.tool_id for option in question.held]
    removable = (
        {"type": "array", "items": {"type": "string", "enum": held}} if held else {"type": "array", "maxItems": 0}
    )
    return {
        "type": "object",
        "properties": {"order": some, "remove": removable, "next": {"type": "string", "enum": [*ids, *META]}},
        "required": ["order", "remove", "next"],
        "additionalProperties": False,
    }


def _names(said: object, allowed: set[str]) -> list[str] | None:
    """The names, where all of them are allowed."""
    if not isinstance(said, list) or not all(isinstance(name, str) and name in allowed for name in said):
        return None
    return said
