"""When a listing is too sparse to be believed."""

from __future__ import annotations

import pytest

from domain.catalogue import CatalogueDiff
from sync.safety import MassRemoval, require_plausible
from tests.store.making import a_tool


@pytest.mark.parametrize(
    ("active", "gone", "refused"), [(4, 4, True), (3, 3, False), (8, 4, False), (9, 5, True), (100, 50, False)]
)
def test_more_than_half_and_more_than_three_is_too_much(active: int, gone: int, *, refused: bool) -> None:
    known = [a_tool(f"t{n}") for n in range(active)]
    changes = CatalogueDiff(removed=tuple(tool.tool_id for tool in known[:gone]))

    if not refused:
        require_plausible(known, changes, "files")
        return
    with pytest.raises(
        MassRemoval, match=f"no longer lists {gone} of its {active} tools.*`toolcrib sync files --full`"
    ):
        require_plausible(known, changes, "files")
