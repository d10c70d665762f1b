"""When a listing is too sparse to be believed."""

from __future__ import annotations

import pytest

from domain.catalogue import CatalogueDiff
from sync.safety import MassRemoval, is_mass_removal, require_same, unconfirmed
from tests.store.making import a_tool


@pytest.mark.parametrize(
    ("active", "gone", "refused"), [(4, 4, True), (3, 3, False), (8, 4, False), (9, 5, True), (100, 50, False)]
)
def test_more_than_half_and_more_than_three_is_too_much(active: int, gone: int, *, refused: bool) -> None:
    known = [a_tool(f"t{n}") for n in range(active)]
    changes = CatalogueDiff(removed=tuple(tool.tool_id for tool in known[:gone]))

    assert is_mass_removal(known, changes) is refused
    told = unconfirmed(known, changes, "files").message
    assert f"no longer lists {gone} of its {active} tools" in told
    assert "`toolcrib sync files --full`" in told


def test_a_confirmed_removal_has_to_be_the_same_at_a_second_look() -> None:
    seen = CatalogueDiff(removed=("a", "b"))
    require_same(seen, CatalogueDiff(removed=("a", "b"), unchanged=3), "files")
    with pytest.raises(MassRemoval, match="listed twice"):
        require_same(seen, CatalogueDiff(removed=("a", "b", "c")), "files")
