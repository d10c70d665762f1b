"""The quick JSON says what the standard library's says."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.direct.json_bytes import parse, write

TEXT = st.text(st.characters())  # half surrogates too: legal in JSON
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.booleans())
def test_parsing_gives_the_values_of_the_standard_library(value: object, ascii_only: bool) -> None:  # noqa: FBT001
    data = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert repr(parse(data)) == repr(json.loads(data))


@given(JSON)
def test_what_is_written_reads_as_the_same_value_and_is_compact(value: object) -> None:
    data = write(value)
    assert repr(json.loads(data.decode("utf-8", "surrogatepass"))) == repr(json.loads(json.dumps(value)))
    assert len(data) <= len(
        json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    )


def outcome(parser: Callable[[bytes], object], data: bytes) -> str:
    try:
        return repr(parser(data))
    except ValueError:
        return "refused"


@given(st.binary(max_size=40) | st.text('[]{}",:0123456789.eE+-truefalsn \\u', max_size=40).map(str.encode))
def test_what_is_no_json_is_refused_by_both(data: bytes) -> None:
    assert outcome(parse, data) == outcome(json.loads, data)


@pytest.mark.parametrize(
    "data", [b"1e999", b"NaN", b"-Infinity", b'{"a":1,"a":2}', b'"\\ud800"', b"\xef\xbb\xbf{}", b"-0"]
)
def test_the_corners_of_json_are_taken_as_the_standard_library_takes_them(data: bytes) -> None:
    assert repr(parse(data)) == repr(json.loads(data))


def test_what_is_too_deep_for_one_parser_is_left_to_the_other() -> None:
    value = json.loads("[" * 400 + "]" * 400)
    assert parse(b"[" * 400 + b"]" * 400) == value
    assert write(value) == b"[" * 400 + b"]" * 400


def test_a_number_that_is_none_is_written_as_the_standard_library_writes_it() -> None:
    assert write([math.nan, math.inf]) == b"[NaN,Infinity]"
