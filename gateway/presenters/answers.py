"""Answers as JSON, once, for the HTTP API and the MCP surface alike."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from domain.catalogue import SyncRun
from domain.tools import CatalogueTool
from gateway.case_search import reason_of
from gateway.presenters.budgets import budget_json
from gateway.presenters.sessions import change_json
from gateway.use_cases.call import CallAnswer
from gateway.use_cases.results import Page
from gateway.use_cases.search import Answer, Found, SearchAnswer
from gateway.use_cases.servers import ServerView

_NEAREST_SERVERS = 3


def search_json(answer: SearchAnswer, *, explain: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {
        "results": [_answer(item, explain=explain) for item in answer.answers],
        "took_ms": round(answer.took_ms, 3),
        "step": answer.step,
    }
    if answer.session_id is not None and answer.memory is not None:
        body["session_id"] = answer.session_id
        body["memory"] = change_json(answer.memory)
        if answer.session is not None:
            body |= budget_json(answer.session, answer.memory.memory.spent)
    return body


def call_json(answer: CallAnswer) -> dict[str, Any]:
    """The upstream result stands untouched under `result`; what we know about it stands beside it."""
    entry = answer.tool.entry
    body: dict[str, Any] = {
        "result": answer.raw,
        "tool": entry.tool_id,
        "server": entry.server,
        "generation": entry.generation,
        "latency_ms": round(answer.latency_ms, 3),
        "step": answer.step,
    }
    if answer.memory is not None:
        body["memory"] = change_json(answer.memory)
        if answer.session is not None:
            body |= budget_json(answer.session, answer.memory.memory.spent)
    if answer.page is not None:
        body["page"] = answer.page.facts
    return body


def page_json(page: Page) -> dict[str, Any]:
    return {**page.facts, "text": page.text}


def tool_json(entry: CatalogueTool, last_verified: float | None) -> dict[str, Any]:
    document = entry.document
    return {
        "tool_id": entry.tool_id,
        "server": entry.server,
        "name": document.name,
        "state": entry.state,
        "generation": entry.generation,
        "last_verified": last_verified,
        "alias": entry.overlay.alias,
        "description_override": entry.overlay.description,
        "successor": entry.successor,
        "contract_hash": document.contract_hash,
        "semantic_hash": document.semantic_hash,
        "definition": document.raw,
    }


def server_json(view: ServerView) -> dict[str, Any]:
    """Environment and headers are named, never shown."""
    launch = view.server.launch
    return {
        "server": view.server.slug,
        "title": view.server.title,
        "transport": launch.transport,
        "launch": launch.display,
        "env": sorted(launch.env),
        "headers": sorted(launch.headers),
        "enabled": view.server.enabled,
        "trusted": view.server.trusted,
        "sharing": view.server.sharing,
        "review": view.server.review,
        "waiting": view.waiting,
        "launch_waiting": view.launch_waiting,
        "generation": view.server.generation,
        "tools": view.tools,
        "status": view.health.status,
        "circuit": view.health.circuit,
        "error": view.health.error,
        "authorize_url": view.health.authorize_url,
        "protocol_version": view.health.protocol_version,
        "last_verified": view.last_verified,
    }


def run_json(run: SyncRun) -> dict[str, Any]:
    return {
        "server": run.server,
        "trigger": run.trigger,
        "started_at": run.started_at,
        "took_s": round(run.finished_at - run.started_at, 3),
        "generation": run.generation,
        "added": run.added,
        "changed": run.changed,
        "removed": run.removed,
        "unchanged": run.unchanged,
        "skipped": run.skipped,
        "embedded": run.embedded,
        "held": run.held,
        "timings_s": {"list": round(run.list_s, 4), "store": round(run.store_s, 4), "index": round(run.index_s, 4)},
        "error": run.error,
        "warnings": run.warnings,
    }


def _answer(answer: Answer, *, explain: bool) -> dict[str, Any]:
    ranking = answer.ranking
    body: dict[str, Any] = {
        "query": ranking.query,
        "candidates": [_found(found, explain=explain) for found in answer.found],
        "abstained": ranking.abstained,
        "degraded": ranking.degraded,
    }
    if ranking.abstained:
        body["nearest_servers"] = ranking.servers[:_NEAREST_SERVERS]
    if explain:
        body["profile"] = ranking.profile
        body["confidence"] = ranking.confidence
        body["filters"] = asdict(answer.filters)
        body["timings_ms"] = dict(ranking.timings_ms)
        if ranking.decided_by:
            body["decided_by"] = ranking.decided_by
        body["nearest"] = [
            {"tool_id": loser.tool_id, "score": loser.score, "stages": dict(loser.stages)} for loser in ranking.nearest
        ]
    return body


def _found(found: Found, *, explain: bool) -> dict[str, Any]:
    entry = found.tool.entry
    body: dict[str, Any] = {
        "tool_id": entry.tool_id,
        "server": entry.server,
        "score": round(found.candidate.score, 6),
        "generation": entry.generation,
        "contract_hash": entry.document.contract_hash,
        "last_verified": found.last_verified,
        "definition": found.tool.definition,
    }
    if (reason := reason_of(found.candidate.stages)) is not None:
        body["reason"] = reason
    if explain:
        body["stages"] = dict(found.candidate.stages)
    return body
