"""Differences between two JSON values: complete, and none where there is none."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.field_changes import ABSENT, field_changes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3, allow_nan=False, width=16) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def patched(before: Any, after: Any) -> Any:
    """`before` with every difference carried out: lists shrink from behind."""
    whole = [copy.deepcopy(before)]
    for change in sorted(field_changes(before, after), key=lambda change: change.kind == "removed"):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in change.path.split("/")[1:]]
        place: Any = whole
        key: Any = 0
        for part in parts:
            place, key = place[key], part
            key = int(key) if isinstance(place, list) else key
        if change.after is ABSENT:
            place[key] = ABSENT
        elif isinstance(place, list) and key == len(place):
            place.append(change.after)
        else:
            place[key] = change.after
    return _without(whole[0])


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner) for key, inner in value.items() if inner is not ABSENT}
    return [_without(inner) for inner in value if inner is not ABSENT] if isinstance(value, list) else value


@given(JSON, JSON)
def test_the_changes_lead_from_one_value_to_the_other(before: Any, after: Any) -> None:
    assert json.dumps(patched(before, after), sort_keys=True) == json.dumps(after, sort_keys=True)


@given(JSON)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert field_changes(value, copy.deepcopy(value)) == ()
