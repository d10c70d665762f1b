"""A model behind a URL as pruner and searcher of a tool memory (domain/memory_ports.py).

The model sees names, reasons, ages and use counts, never schemas; and what it answers is held against what is there: it
can only name tools that are held and not pinned. Refuses to know: what happens when it fails.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field

from domain.memory import ToolMemory
from domain.memory_ports import MAX_QUERY_WORDS
from policy_client.http.chat import ChatClient

_MOST_QUERIES = 4
_MESSAGES = 3
_MESSAGE_CHARS = 2000

_PRUNE = (
    "You keep the tool memory of an agent small. Name the tools that it will not need for the messages below or soon "
    "after. Keep what was called lately and what the messages are about."
)
_SEARCH = (
    "You look for tools for an agent. Say in a few words each, one query per need, what tools the messages below need "
    "that are not held already. Answer with no query when nothing is missing."
)


class _Leaving(BaseModel):
    remove: list[str] = Field(description="Exact names of held tools.")


class _Queries(BaseModel):
    queries: list[str] = Field(description="What a needed tool does, without values.")


class ModelPruner:
    """Raises ModelUnavailable."""

    def __init__(self, chat: ChatClient, deadline_s: float | None = None) -> None:
        self._chat = chat
        self._deadline_s = deadline_s

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
        if not memory.entries:
            return ()
        said = await self._chat.shaped(_PRUNE, _prompt(memory, messages), _Leaving, deadline_s=self._deadline_s)
        held = memory.entries
        return tuple(name for name in dict.fromkeys(said.remove) if name in held and not held[name].pinned)


class ModelSearcher:
    """Raises ModelUnavailable."""

    def __init__(self, chat: ChatClient, deadline_s: float | None = None) -> None:
        self._chat = chat
        self._deadline_s = deadline_s

    async def __call__(self, memory: ToolMemory, messages: Sequence[str]) -> tuple[str, ...]:
        said = await self._chat.shaped(_SEARCH, _prompt(memory, messages), _Queries, deadline_s=self._deadline_s)
        queries = (" ".join(query.split()[:MAX_QUERY_WORDS]) for query in said.queries)
        return tuple(dict.fromkeys(query for query in queries if query))[:_MOST_QUERIES]


def _prompt(memory: ToolMemory, messages: Sequence[str]) -> str:
    held: list[dict[str, Any]] = [
        {
            "name": entry.tool_id,
            "came_by": entry.reason,
            "calls": entry.uses,
            "turns_unused": memory.turn + 1 - entry.seen_turn,
        }
        for entry in memory.entries.values()
        if not entry.pinned
    ]
    newest = [message[-_MESSAGE_CHARS:] for message in messages[-_MESSAGES:]]
    return json.dumps({"held": held, "messages": newest}, ensure_ascii=False)
