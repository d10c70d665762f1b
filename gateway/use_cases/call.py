"""Call: a tool of any upstream by its agent-visible name; the upstream's result comes back untouched.

One that is too large for its caller comes back as its first page, and stays readable (gateway/use_cases/results.py).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from domain.canonical import canonical_json, sha256_hex
from domain.errors import (
    Overloaded,
    SessionNotFound,
    StoreUnavailable,
    ToolcribError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from domain.events import Actor, Event, EventKind, Outcome, new_id
from domain.identity import Principal
from domain.memory import MemoryChange, ToolMemory
from domain.sessions import Session
from domain.tokens import BYTES_PER_TOKEN
from gateway.event_log.journal import Journal
from gateway.event_log.redaction import ARGUMENTS
from gateway.use_cases.attempts import Attempts, RestartTotals, Target
from gateway.use_cases.catalogue import CatalogueReader, ServedTool
from gateway.use_cases.memory_record import memory_record
from gateway.use_cases.resolving import Resolver
from gateway.use_cases.results import Page, Results
from gateway.use_cases.sessions import Sessions

MAX_TIMEOUT_S = 3600.0
_INVALID_PARAMS = -32602

MOST_ARGUMENT_CHARS = 16_384
"""Larger arguments are logged by their hash alone, whatever the tenant's rules say."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call as asked for."""

    tool: str
    arguments: Mapping[str, Any]
    session_id: str | None = None
    timeout_s: float | None = None
    client: str | None = None  # who shares a server's state with whom, where no session says it
    contract_hash: str | None = None  # as a search gave it; without one, what the session's memory knows is checked
    inline: bool = True  # whether the caller bears whatever could be parsed; an agent's context does not


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """The upstream's CallToolResult as it came, or its first page, and what we know about it."""

    raw: Mapping[str, Any]
    tool: ServedTool
    latency_ms: float
    memory: MemoryChange | None = None
    page: Page | None = None  # which page of the result `raw` holds, where it is too large to be handed out whole
    step: str = ""  # its id in the event log
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class _Logged:
    """What may be written of a call that is under way."""

    asked: Invocation
    held: ToolMemory | None = None


@dataclass(frozen=True, slots=True)
class _Ended:
    """How a call ended."""

    outcome: Outcome
    error: str | None = None
    content: Any = None
    cut_s: tuple[float, ...] = ()  # of attempts that were given up before


class Call:
    """The call use case. Whatever happens is logged with its outcome class."""

    def __init__(
        self,
        attempts: Attempts,
        catalogue: CatalogueReader,
        sessions: Sessions,
        results: Results,
        journal: Journal,
        timeout_s: float,
    ) -> None:
        self._attempts = attempts
        self._catalogue = catalogue
        self._resolve = Resolver(catalogue)
        self._sessions = sessions
        self._results = results
        self._journal = journal
        self._timeout_s = timeout_s

    @property
    def restarts(self) -> RestartTotals:
        """What restarting early came to since this process began."""
        return self._attempts.totals

    async def __call__(self, principal: Principal, asked: Invocation) -> CallAnswer:
        """Raises ToolNotFound, ToolRemoved, ToolChanged, SessionNotFound, and the UpstreamError family."""
        started = time.perf_counter()
        tool: ServedTool | None = None
        # A handle is logged once it is known to be this principal's.
        logged = _Logged(asked if asked.session_id is None else replace(asked, session_id=None))
        try:
            session = held = None
            if asked.session_id is not None:
                session, held = await self._sessions.at_hand(principal, asked.session_id)
                logged = _Logged(asked, held)
            tool = await self._resolve(principal.tenant, asked.tool, asked.contract_hash, held)
            server = await self._catalogue.server(principal.tenant, tool.entry.server)
            if not server.enabled:
                raise UpstreamUnreachable(f"Server {server.slug!r} is disabled; an admin can enable it.")
            timeout_s = min(asked.timeout_s or self._timeout_s, MAX_TIMEOUT_S)
            if session is not None:
                timeout_s = min(timeout_s, await self._sessions.budgets.reserve(session, tool))
            called = await self._attempts(Target(server, tool, asked.arguments, _owner(principal, asked)), timeout_s)
            result, page = await self._results.fit(principal, session, called.result, inline=asked.inline)
        except ToolcribError as error:
            self._record(principal, logged, tool, _Ended(_outcome_of(error), error.code), started)
            raise
        outcome = Outcome.TOOL_ERROR if result.is_error else Outcome.OK
        ended = _Ended(outcome, content=result.raw.get("content"), cut_s=called.cut_s)
        step = self._record(principal, logged, tool, ended, started)
        memory = None
        if asked.session_id is not None:
            # It ended during the call, or cannot be written; the result is there nevertheless.
            with contextlib.suppress(SessionNotFound, StoreUnavailable):
                memory = await self._sessions.used(principal, asked.session_id, tool)
        return CallAnswer(result.raw, tool, (time.perf_counter() - started) * 1e3, memory, page, step, session)

    def _record(
        self, principal: Principal, logged: _Logged, tool: ServedTool | None, ended: _Ended, started: float
    ) -> str:
        at, latency_ms, step = time.time(), (time.perf_counter() - started) * 1e3, new_id()
        keeps_arguments = self._journal.rules(principal.tenant).arguments

        def event() -> Event:
            return Event(
                tenant=principal.tenant,
                subject=principal.subject,
                kind=EventKind.CALL,
                at=at,
                session_id=logged.asked.session_id,
                outcome=ended.outcome,
                latency_ms=latency_ms,
                body={
                    "tool_id": tool.entry.tool_id if tool else logged.asked.tool,
                    "server": tool.entry.server if tool else None,
                    "contract_hash": tool.entry.document.contract_hash if tool else None,
                    **_arguments_record(logged.asked.arguments, keeps_values=keeps_arguments),
                    **({} if ended.error is None else {"error": ended.error}),
                    **({"cut_s": ended.cut_s} if ended.cut_s else {}),
                    **({} if logged.held is None else memory_record(logged.held)),
                },
                actor=Actor.AGENT,
                cost=_tokens(ended.content),
                id=step,
            )

        self._journal.record_soon(event)
        return step


def _owner(principal: Principal, asked: Invocation) -> tuple[str, str | None, str | None]:
    """Whose state at a server a call meets: that of its session, else of its client, never another principal's."""
    return principal.subject, asked.session_id, None if asked.session_id else asked.client


def _arguments_record(arguments: Mapping[str, Any], *, keeps_values: bool) -> dict[str, Any]:
    """Their hash; None for what is no JSON: such a call is refused, and its record must not fail on it. And the values
    themselves, where the tenant wants them and they are small.
    """
    try:
        text = canonical_json(arguments)
    except (ValueError, TypeError, RecursionError):
        return {"arguments_hash": None}
    keeps_values = keeps_values and len(text) <= MOST_ARGUMENT_CHARS
    return {"arguments_hash": sha256_hex(text), **({ARGUMENTS: arguments} if keeps_values else {})}


def _tokens(content: Any) -> int:
    """Estimated tokens of the texts of a result; whatever an upstream put there."""
    blocks = content if isinstance(content, list) else ()
    texts = (block.get("text") for block in blocks if isinstance(block, dict))
    return sum(len(text) for text in texts if isinstance(text, str)) // BYTES_PER_TOKEN


def _outcome_of(error: ToolcribError) -> Outcome:
    if isinstance(error, UpstreamTimeout):
        return Outcome.TIMEOUT
    if isinstance(error, UpstreamRefused) and error.rpc_code == _INVALID_PARAMS:
        return Outcome.INVALID_ARGUMENTS
    if isinstance(error, UpstreamError | Overloaded):
        return Outcome.UPSTREAM_ERROR
    return Outcome.REFUSED
