"""Review: which changes of a server's tools are served at once, and which wait for a person. Pure rules.

What waits is served to nobody; the approved version goes on being served (security-and-reliability S2, rug pulls).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.canonical import JsonObject, canonical_json, sha256_hex
from domain.field_changes import ABSENT, FieldChange, field_changes
from domain.scan import ScanWarning
from domain.servers import Launch, ReviewPolicy
from domain.text import without_dates
from domain.tools import CatalogueTool

HIDDEN = "(hidden)"
"""Stands for a value that may be a secret."""


class HoldReason(StrEnum):
    """Why a change waits."""

    POLICY = "policy"  # the server's policy wants every such change looked at
    WARNING = "warning"  # the scanner found something in it, whatever the policy
    PINNED = "pinned"  # the tool is pinned to its approved version


class HeldStatus(StrEnum):
    """Where a held change stands."""

    WAITING = "waiting"
    REJECTED = "rejected"  # not served, and not shown as waiting any more, until the server lists something else


class HeldKind(StrEnum):
    """What is held."""

    ADDED = "added"
    CHANGED = "changed"
    LAUNCH = "launch"  # how the server is reached: command, arguments, environment, URL, headers


@dataclass(frozen=True, slots=True)
class HeldChange:
    """A tool's version that its server lists and nobody approved. One per tool: the one that was listed last."""

    tool: CatalogueTool  # as it would be served
    kind: HeldKind
    reason: HoldReason
    seen_at: float  # epoch seconds
    warnings: tuple[ScanWarning, ...] = ()
    renamed_from: str | None = None  # id of the tool that went when this one came, with the same schema
    status: HeldStatus = HeldStatus.WAITING
    decided_by: str | None = None
    decided_at: float | None = None

    @property
    def id(self) -> str:
        """Names this very content: who decides about an id decides about what they saw."""
        return review_id(self.tool.tenant, self.tool.tool_id, self.tool.document.contract_hash)


@dataclass(frozen=True, slots=True)
class HeldLaunch:
    """Another way to reach a registered server, which nobody approved yet."""

    tenant: str
    server: str
    launch: Launch
    seen_at: float
    proposed_by: str

    @property
    def id(self) -> str:
        return review_id(self.tenant, self.server, launch_hash(self.launch))


def review_id(tenant: str, subject: str, content_hash: str) -> str:
    """128 bits in hex."""
    return sha256_hex(f"{tenant}\0{subject}\0{content_hash}")[:32]


def launch_hash(launch: Launch) -> str:
    """Hash over everything that decides what runs, or who is talked to. It covers secrets: never shown."""
    return sha256_hex(canonical_json(_launch_fields(launch)))


def launch_changes(before: Launch, after: Launch) -> tuple[FieldChange, ...]:
    """What differs, without the values of environment, headers and the private parts of a URL."""
    changes = field_changes(_launch_fields(before), _launch_fields(after))
    return tuple(_presentable(change, before, after) for change in changes)


def why_hold(
    policy: ReviewPolicy, before: JsonObject | None, after: JsonObject, *, pinned: bool, warned: bool
) -> HoldReason | None:
    """Why a version waits; None for one that is served at once. `before`: the approved version, None for a new tool."""
    if pinned:
        return HoldReason.PINNED
    if warned:
        return HoldReason.WARNING
    if policy is ReviewPolicy.HOLD:
        return HoldReason.POLICY
    if policy is ReviewPolicy.ACCEPT_NON_SEMANTIC and is_semantic(before, after):
        return HoldReason.POLICY
    return None


def is_semantic(before: JsonObject | None, after: JsonObject) -> bool:
    """Whether a version says anything else to a model or a caller: everything does but icons, `_meta`, and dates in the
    description, which some servers renew with every listing. A new tool always does.
    """
    if before is None:
        return True
    return any(not _is_cosmetic(change) for change in field_changes(before, after))


def renames(removed: Mapping[str, JsonObject], added: Mapping[str, JsonObject]) -> dict[str, str]:
    """Removed tool id -> the added one that it was probably renamed to: all of it but the name is the same, or the
    schema is, and only these two have it. Raw objects by tool id.
    """
    found: dict[str, str] = {}
    for alike in (_all_but_name, _schema):
        gone = _by_key(alike, {tool_id: raw for tool_id, raw in removed.items() if tool_id not in found})
        come = _by_key(alike, {tool_id: raw for tool_id, raw in added.items() if tool_id not in found.values()})
        for key, old in gone.items():
            new = come.get(key, [])
            if key is not None and len(old) == len(new) == 1:
                found[old[0]] = new[0]
    return found


def _by_key(alike: Callable[[JsonObject], str | None], tools: Mapping[str, JsonObject]) -> dict[str | None, list[str]]:
    groups: dict[str | None, list[str]] = {}
    for tool_id, raw in tools.items():
        groups.setdefault(alike(raw), []).append(tool_id)
    return groups


def _all_but_name(raw: JsonObject) -> str | None:
    rest = {key: value for key, value in raw.items() if key not in {"name", "title"}}
    return canonical_json(rest) if rest.get("description") or _schema(raw) else None


def _schema(raw: JsonObject) -> str | None:
    """None for one without properties: it says nothing about who has it."""
    schema = raw.get("inputSchema")
    return canonical_json(schema) if isinstance(schema, Mapping) and schema.get("properties") else None


def _is_cosmetic(change: FieldChange) -> bool:
    if change.field in {"icons", "_meta"}:
        return True
    if change.path != "/description" or not isinstance(change.before, str) or not isinstance(change.after, str):
        return False
    return without_dates(change.before) == without_dates(change.after)


def _launch_fields(launch: Launch) -> dict[str, object]:
    return {
        "transport": launch.transport.value,
        "command": list(launch.command),
        "cwd": launch.cwd,
        "url": launch.url,
        "env": dict(launch.env),
        "headers": dict(launch.headers),
    }


def _presentable(change: FieldChange, before: Launch, after: Launch) -> FieldChange:
    if change.field in {"env", "headers"}:
        before_side, after_side = (side if side is ABSENT else HIDDEN for side in (change.before, change.after))
        return FieldChange(change.path, before_side, after_side)
    if change.field == "url":
        old, new = (None if launch.url is None else launch.display for launch in (before, after))
        return FieldChange(change.path, old, new) if old != new else FieldChange(change.path, HIDDEN, HIDDEN)
    return change


def waiting(held: Sequence[HeldChange]) -> list[HeldChange]:
    """Those that somebody has to decide about."""
    return [change for change in held if change.status is HeldStatus.WAITING]
