"""What may be written of an event under a tenant's rules. Pure; the journal applies it to every batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from domain.canonical import sha256_hex
from domain.events import Event, EventKind
from domain.log_rules import LogRules, QueryText
from index.questions.redaction import learnable

ARGUMENTS = "arguments"
_HASH = 16


def redacted(event: Event, rules: LogRules) -> Event:
    """The event without what its tenant does not want kept; the same object where nothing has to go."""
    body = event.body
    if ARGUMENTS in body and not rules.arguments:
        body = {key: value for key, value in body.items() if key != ARGUMENTS}
    if rules.queries is not QueryText.FULL:
        if event.kind is EventKind.SEARCH:
            body = {**body, "answers": [_answer(answer, rules.queries) for answer in body["answers"]]}
        elif event.kind is EventKind.DECISION:
            body = _answer(body, rules.queries)
        elif event.kind is EventKind.MEMORY:
            body = {**body, "reason": str(body["reason"]).partition(":")[0]}  # `search: QUERY` and the like
        elif event.kind is EventKind.FEEDBACK:
            body = {**body, "note": ""}
    return event if body is event.body else replace(event, body=body)


def _answer(answer: Mapping[str, Any], kept: QueryText) -> dict[str, Any]:
    query = str(answer["query"])
    text = learnable(query) or "" if kept is QueryText.MASKED else ""
    return {**answer, "query": text, "query_hash": sha256_hex(query)[:_HASH]}
