"""Reviews and histories as JSON."""

from __future__ import annotations

from typing import Any

from domain.field_changes import ABSENT, FieldChange
from domain.review import HeldKind, HeldStatus, HoldReason
from gateway.use_cases.reviews import Decided, LaunchReview, Review
from store.versions import ToolVersion


def review_json(review: Review) -> dict[str, Any]:
    """`approved` is what is served, `proposed` what its server lists; `changes` is the way from one to the other."""
    held = review.held
    return {
        "id": held.id,
        "server": held.tool.server,
        "kind": held.kind,
        "tool_id": held.tool.tool_id,
        "name": held.tool.document.name,
        "reason": held.reason,
        "status": held.status,
        "warnings": [{"danger": one.danger, "where": one.where, "what": one.what} for one in held.warnings],
        "renamed_from": held.renamed_from,
        "seen_at": held.seen_at,
        "decided_by": held.decided_by,
        "decided_at": held.decided_at,
        "changes": [_change(change) for change in review.changes],
        "approved": None if review.approved is None else review.approved.raw,
        "proposed": held.tool.document.raw,
    }


def launch_review_json(review: LaunchReview) -> dict[str, Any]:
    """Values of environment and headers are never shown."""
    held = review.held
    return {
        "id": held.id,
        "server": held.server,
        "kind": HeldKind.LAUNCH,
        "tool_id": None,
        "reason": HoldReason.POLICY,
        "status": HeldStatus.WAITING,
        "warnings": [],
        "seen_at": held.seen_at,
        "proposed_by": held.proposed_by,
        "changes": [_change(change) for change in review.changes],
    }


def decided_json(decided: Decided, decision: str) -> dict[str, Any]:
    return {
        "id": decided.id,
        "server": decided.server,
        "kind": decided.kind,
        "tool_id": decided.tool_id,
        "decision": decision,
    }


def version_json(version: ToolVersion) -> dict[str, Any]:
    return {
        "contract_hash": version.contract_hash,
        "decision": version.decision,
        "by": version.by,
        "at": version.at,
        "generation": version.generation,
        "definition": version.raw,
    }


def _change(change: FieldChange) -> dict[str, Any]:
    shown: dict[str, Any] = {"path": change.path, "kind": change.kind}
    shown |= {} if change.before is ABSENT else {"before": change.before}
    return shown | ({} if change.after is ABSENT else {"after": change.after})
