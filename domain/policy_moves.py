"""The lifecycle of a tenant's policy: a list of moves, of which the newest is in force. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class PolicyMode(StrEnum):
    """What a decision does to a search."""

    OFF = "off"
    SHADOW = "shadow"  # it is taken and logged, and changes nothing
    CANARY = "canary"  # it counts in a share of the sessions, always the same ones
    LIVE = "live"


class MoveKind(StrEnum):
    """Why a policy came into force."""

    PROMOTION = "promotion"
    ROLLBACK = "rollback"  # a person wanted the one before
    AUTOMATIC_ROLLBACK = "automatic_rollback"  # the monitor saw it do worse than what it had replaced


@dataclass(frozen=True, slots=True)
class PolicyMove:
    """`number` counts a tenant's moves from 1. `version`: of a kept policy; empty: what the operator's settings say.

    `evidence`: what the gate saw when this version was promoted to this mode, as JSON. `restores`: the number of the
    move whose state this one brings back; 0 for a promotion.
    """

    tenant: str
    number: int
    at: float  # epoch seconds
    subject: str
    kind: MoveKind
    version: str
    mode: PolicyMode
    share: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    restores: int = 0


def before(moves: Sequence[PolicyMove]) -> PolicyMove | None:
    """What a rollback brings back: the promotion of another version that was in force before; None for the operator's
    settings. `moves`: of one tenant, in their order. What was rolled back from is not come back to.
    """
    left = _without_newest(_standing(moves))
    return left[-1] if left else None


def live_below(moves: Sequence[PolicyMove], version: str) -> PolicyMove | None:
    """The live promotion of another version that a canary or a shadow of `version` leaves in force."""
    standing = _standing(moves)
    while standing and standing[-1].version == version:
        standing = _without_newest(standing)
    return next((move for move in reversed(standing) if move.mode is PolicyMode.LIVE), None)


def _standing(moves: Sequence[PolicyMove]) -> list[PolicyMove]:
    """The promotions that were not rolled back, the one in force last."""
    standing: list[PolicyMove] = []
    for move in moves:
        standing = [*standing, move] if move.kind is MoveKind.PROMOTION else _without_newest(standing)
    return standing


def _without_newest(standing: list[PolicyMove]) -> list[PolicyMove]:
    """A version that went from shadow to live leaves as a whole."""
    left = list(standing)
    while left and left[-1].version == standing[-1].version:
        left.pop()
    return left
