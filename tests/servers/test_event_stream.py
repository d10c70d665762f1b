"""Server-sent events, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.event_stream import EventStream


def test_comments_names_and_empty_events_are_passed_over() -> None:
    text = b": ping\r\n\r\nevent: message\nid: 1\ndata: one\ndata:two\n\nretry: 5\n\n"
    assert list(EventStream(1000).feed(text)) == [b"one\ntwo"]


LINES = st.lists(st.sampled_from([b"data: a", b"data:b", b": c", b"event: message", b""]), max_size=20)


@given(lines=LINES, end=st.sampled_from([b"\n", b"\r\n", b"\r"]), cuts=st.lists(st.integers(0, 400)))
def test_the_cut_of_the_chunks_changes_nothing(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    text = b"".join(line + end for line in lines) + b"data: last" + end + end + b"x"
    stream = EventStream(10_000)
    places = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    found = [data for start, stop in pairwise(places) for data in stream.feed(text[start:stop])]
    assert found == list(EventStream(10_000).feed(text))
    assert found[-1].endswith(b"last")


def test_an_event_without_an_end_is_given_up_at_the_cap() -> None:
    stream = EventStream(100)
    assert [list(stream.feed(b"data: 12345\n")) for _ in range(9)] == [[]] * 9
    with pytest.raises(ValueError, match="100"):
        list(stream.feed(b"data: 12345\n"))
