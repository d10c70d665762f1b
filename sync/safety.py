"""Delete safety: a listing that drops most of a server's tools is more often a fault of the server than a wish."""

from __future__ import annotations

from collections.abc import Sequence

from domain.catalogue import CatalogueDiff
from domain.errors import Conflict
from domain.tools import CatalogueTool, ToolState

MAX_VANISHED_SHARE = 0.5
ALWAYS_ALLOWED = 3
"""Small servers may drop this many without asking: half of four tools is no landslide."""


class MassRemoval(Conflict):
    """Most of a server's tools vanished at once; nothing was changed, an operator has to accept it."""

    code = "mass_removal"


def is_mass_removal(known: Sequence[CatalogueTool], changes: CatalogueDiff) -> bool:
    """Whether more than half, and more than three, of the active tools would go."""
    gone = len(changes.removed)
    return gone > ALWAYS_ALLOWED and gone > MAX_VANISHED_SHARE * _active(known)


def unconfirmed(known: Sequence[CatalogueTool], changes: CatalogueDiff, slug: str) -> MassRemoval:
    """Nobody has said yet that it is right."""
    gone = len(changes.removed)
    return MassRemoval(
        f"Server {slug!r} no longer lists {gone} of its {_active(known)} tools, so nothing was changed; "
        f"if that is right, `toolcrib sync {slug} --full` accepts it."
    )


def require_same(first: CatalogueDiff, second: CatalogueDiff, slug: str) -> None:
    """A removal that somebody confirmed must still be there at a second look: they confirmed what they had seen, and a
    server that is falling over lists less every time. Raises MassRemoval.
    """
    if first.removed != second.removed:
        raise MassRemoval(
            f"Server {slug!r} was listed twice to be sure and did not list the same tools, so nothing was changed; "
            f"`toolcrib sync {slug} --full` tries again."
        )


def _active(known: Sequence[CatalogueTool]) -> int:
    return sum(tool.state is ToolState.ACTIVE for tool in known)
