"""The quick look at what is sent never lets pass what `json` would refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidInput
from servers.sendable import require_json

PARTS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**5000),
    st.floats(),
    st.text(st.characters(), max_size=3),
    st.just("\ud800"),
    st.sets(st.integers(), max_size=1),
    st.binary(max_size=2),
    st.lists(st.integers() | st.floats(), max_size=2),
)
KEYS = st.text(st.characters(), max_size=2) | st.just("\udfff") | st.integers() | st.tuples(st.integers())


@given(st.dictionaries(KEYS, PARTS | st.dictionaries(KEYS, PARTS, max_size=3), max_size=3))
def test_it_takes_and_refuses_what_json_does(value: dict[Any, Any]) -> None:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError):
        with pytest.raises(InvalidInput, match="are not valid JSON"):
            require_json(value, "They")
    else:
        require_json(value, "They")
