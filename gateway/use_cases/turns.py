"""One turn of an agent loop that is no MCP host: prune, search where the mode does, and say which tools to bind.

The loop runs MemTool's control flow (arXiv 2507.21428, section 3) with Toolcrib's memory as T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domain.errors import InvalidInput
from domain.identity import Principal
from domain.memory import ToolMemory
from domain.sessions import Session
from domain.tools import ToolState
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.search import MAX_QUERIES, MAX_QUERY_CHARS, Answer, Ask, Search
from gateway.use_cases.sessions import Sessions, TurnBegun
from index.retriever import MAX_K

MAX_MESSAGES = 200


@dataclass(frozen=True, slots=True)
class Holding:
    """What a loop binds: `tools` in the memory's order; `folded` are callable by name and may be deferred. `lost`: held
    tools that their servers have removed.
    """

    session: Session
    memory: ToolMemory
    tools: tuple[ServedTool, ...]
    folded: tuple[ServedTool, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """`begun`: what left, and what failed. `answers`: of the turn's own searches, one per query."""

    begun: TurnBegun
    answers: tuple[Answer, ...]
    holding: Holding


class Turns:
    """Runs turns."""

    def __init__(self, sessions: Sessions, search: Search, catalogue: CatalogueReader) -> None:
        self._sessions = sessions
        self._search = search
        self._catalogue = catalogue

    async def run(self, principal: Principal, session_id: str, messages: Sequence[str], k: int | None = None) -> Turn:
        """`messages`: texts, the newest last. Raises SessionNotFound, InvalidInput, Unavailable."""
        if len(messages) > MAX_MESSAGES:
            raise InvalidInput(f"A turn takes up to {MAX_MESSAGES} messages, not {len(messages)}; the newest count.")
        if k is not None and not 1 <= k <= MAX_K:
            raise InvalidInput(f"A search returns between 1 and {MAX_K} tools per query, not {k}; nothing was changed.")
        begun = await self._sessions.begin_turn(principal, session_id, messages)
        answers: tuple[Answer, ...] = ()
        queries = tuple(query[:MAX_QUERY_CHARS] for query in begun.queries if query.strip())[:MAX_QUERIES]
        if queries:
            found = await self._search(principal, Ask(queries, k, session_id, by_turn=True))
            answers = found.answers
            if found.memory is not None:
                begun = replace(begun, change=begun.change.then(found.memory))
        return Turn(begun, answers, await self._holding(principal, begun.session, begun.change.memory))

    async def held(self, principal: Principal, session_id: str) -> Holding:
        """What there is to bind between two turns, after a search of the agent's own. Raises SessionNotFound."""
        return await self._holding(principal, *await self._sessions.show(principal, session_id))

    async def _holding(self, principal: Principal, session: Session, memory: ToolMemory) -> Holding:
        tools = await self._catalogue.get_many(principal.tenant, [*memory.entries, *memory.folded])
        served = {name: tool for name, tool in tools.items() if tool.entry.state is ToolState.ACTIVE}
        return Holding(
            session,
            memory,
            _in_order(memory.entries, served),
            _in_order(memory.folded, served),
            tuple(name for name in memory.entries if name not in served),
        )


def _in_order(names: Mapping[str, object], served: Mapping[str, ServedTool]) -> tuple[ServedTool, ...]:
    return tuple(served[name] for name in names if name in served)
