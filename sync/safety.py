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


def require_plausible(known: Sequence[CatalogueTool], changes: CatalogueDiff, slug: str) -> None:
    """Raises MassRemoval when more than half, and more than three, of the active tools would go."""
    active = sum(tool.state is ToolState.ACTIVE for tool in known)
    gone = len(changes.removed)
    if gone > ALWAYS_ALLOWED and gone > MAX_VANISHED_SHARE * active:
        raise MassRemoval(
            f"Server {slug!r} no longer lists {gone} of its {active} tools, so nothing was changed; "
            f"if that is right, `toolcrib sync {slug} --full` accepts it."
        )
