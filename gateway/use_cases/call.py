"""Call: a tool of any upstream by its agent-visible name; the upstream's result comes back untouched.

One that is too large for its caller comes back as its first page, and stays readable (gateway/use_cases/results.py).
"""

from __future__ import annotations

import contextlib
import difflib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.canonical import canonical_json, sha256_hex
from domain.errors import (
    Overloaded,
    SessionNotFound,
    ToolcribError,
    ToolNotFound,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from domain.events import Event, EventKind, Outcome
from domain.identity import Principal
from domain.memory import MemoryChange
from domain.tools import ToolState
from gateway.journal import Journal
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.results import Page, Results
from gateway.use_cases.sessions import Sessions
from servers.ports import Pool

MAX_TIMEOUT_S = 3600.0
_SUGGESTIONS = 3
_INVALID_PARAMS = -32602


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call as asked for."""

    tool: str
    arguments: Mapping[str, Any]
    session_id: str | None = None
    timeout_s: float | None = None
    client: str | None = None  # who shares a server's state with whom, where no session says it
    inline: bool = True  # whether the caller bears whatever could be parsed; an agent's context does not


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """The upstream's CallToolResult as it came, or its first page, and what we know about it."""

    raw: Mapping[str, Any]
    tool: ServedTool
    latency_ms: float
    memory: MemoryChange | None = None
    page: Page | None = None  # which page of the result `raw` holds, where it is too large to be handed out whole


class Call:
    """The call use case. Whatever happens is logged with its outcome class."""

    def __init__(
        self,
        pool: Pool,
        catalogue: CatalogueReader,
        sessions: Sessions,
        results: Results,
        journal: Journal,
        timeout_s: float,
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._sessions = sessions
        self._results = results
        self._journal = journal
        self._timeout_s = timeout_s

    async def __call__(self, principal: Principal, asked: Invocation) -> CallAnswer:
        """Raises ToolNotFound, SessionNotFound, and the UpstreamError family."""
        started = time.perf_counter()
        tool: ServedTool | None = None
        # A handle is logged once it is known to be this principal's.
        logged = asked if asked.session_id is None else replace(asked, session_id=None)
        try:
            if asked.session_id is not None:
                await self._sessions.show(principal, asked.session_id)
                logged = asked
            tool = await self._resolve(principal, asked.tool)
            server = await self._catalogue.server(principal.tenant, tool.entry.server)
            if not server.enabled:
                raise UpstreamUnreachable(f"Server {server.slug!r} is disabled; an admin can enable it.")
            timeout_s = min(asked.timeout_s or self._timeout_s, MAX_TIMEOUT_S)
            document = tool.entry.document
            result = await self._pool.call(
                server,
                document.name,
                asked.arguments,
                timeout_s=timeout_s,
                repeatable=server.trusted and document.says_repeatable,
                owner=_owner(principal, asked),
            )
            result, page = await self._results.fit(principal, asked.session_id, result, inline=asked.inline)
        except ToolcribError as error:
            self._record(principal, logged, tool, _outcome_of(error), started, {"error": error.code})
            raise
        outcome = Outcome.TOOL_ERROR if result.is_error else Outcome.OK
        self._record(principal, logged, tool, outcome, started, {})
        memory = None
        if asked.session_id is not None:
            with contextlib.suppress(SessionNotFound):  # it ended during the call, whose result is there nevertheless
                memory = await self._sessions.used(principal, asked.session_id, tool)
        return CallAnswer(result.raw, tool, (time.perf_counter() - started) * 1e3, memory, page)

    async def _resolve(self, principal: Principal, name: str) -> ServedTool:
        tool = (await self._catalogue.get_many(principal.tenant, [name])).get(name)
        if tool is None:
            raise ToolNotFound(await self._unknown(principal.tenant, name))
        if tool.entry.state is ToolState.REMOVED:
            raise ToolNotFound(
                f"Tool {name!r} was removed by its server {tool.entry.server!r}; search again for a successor."
            )
        return tool

    async def _unknown(self, tenant: str, name: str) -> str:
        """The sentence for an unknown name, with the nearest known ones of the server it seems to mean."""
        server = name.partition("__")[0]
        near = difflib.get_close_matches(name, await self._catalogue.names(tenant, server), n=_SUGGESTIONS)
        hint = f"did you mean {', '.join(near)}?" if near else "search again and use a name from the answer."
        return f"No tool is called {name[:128]!r}; {hint}"

    def _record(
        self,
        principal: Principal,
        asked: Invocation,
        tool: ServedTool | None,
        outcome: Outcome,
        started: float,
        more: Mapping[str, Any],
    ) -> None:
        at, latency_ms = time.time(), (time.perf_counter() - started) * 1e3

        def event() -> Event:
            return Event(
                tenant=principal.tenant,
                subject=principal.subject,
                kind=EventKind.CALL,
                at=at,
                session_id=asked.session_id,
                outcome=outcome,
                latency_ms=latency_ms,
                body={
                    "tool_id": tool.entry.tool_id if tool else asked.tool,
                    "server": tool.entry.server if tool else None,
                    "contract_hash": tool.entry.document.contract_hash if tool else None,
                    "arguments_hash": _arguments_hash(asked.arguments),
                    **more,
                },
            )

        self._journal.record_soon(event)


def _owner(principal: Principal, asked: Invocation) -> str:
    """Whose state at a server a call meets: that of its session, else of its client, never another principal's."""
    return canonical_json([principal.subject, asked.session_id, None if asked.session_id else asked.client])


def _arguments_hash(arguments: Mapping[str, Any]) -> str | None:
    """None for what is no JSON: such a call is refused, and its record must not fail on it."""
    try:
        return sha256_hex(canonical_json(arguments))
    except (ValueError, TypeError, RecursionError):
        return None


def _outcome_of(error: ToolcribError) -> Outcome:
    if isinstance(error, UpstreamTimeout):
        return Outcome.TIMEOUT
    if isinstance(error, UpstreamRefused) and error.rpc_code == _INVALID_PARAMS:
        return Outcome.INVALID_ARGUMENTS
    if isinstance(error, UpstreamError | Overloaded):
        return Outcome.UPSTREAM_ERROR
    return Outcome.REFUSED
