"""Server-sent events, however the bytes are cut."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers.event_stream import EventStream
from servers.large_results.spool import Span, Spool, SpoolFile


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


@given(
    before=LINES,
    size=st.integers(200, 2000),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 4000), max_size=30),
)
def test_an_event_over_the_cap_is_the_same_in_its_file(
    before: list[bytes], size: int, end: bytes, cuts: list[int]
) -> None:
    large = [b"id: 7", b"data: " + b"x" * size, b"data:more", b"data: " + b"y" * size]
    text = b"".join(line + end for line in [*before, b"", *large, b"", b"data: small", b""])
    places = sorted({0, len(text), *(cut for cut in cuts if cut <= len(text))})
    with TemporaryDirectory() as folder:
        stream = EventStream(150, Spool(Path(folder), file_bytes=10_000, total_bytes=10_000))
        events = [event for start, stop in pairwise(places) for event in stream.events(text[start:stop])]
        *_, spilled, small = events
        assert isinstance(spilled.data, SpoolFile)
        assert Span(spilled.data, 0, spilled.data.size).read() == b"x" * size + b"\nmore\n" + b"y" * size
        assert (spilled.others, small.data) == ([b"id: 7"], b"small")
        spilled.data.drop()


def test_a_long_line_that_is_no_data_is_refused_even_with_a_spool(tmp_path: Path) -> None:
    stream = EventStream(100, Spool(tmp_path, file_bytes=10_000, total_bytes=10_000))
    with pytest.raises(ValueError, match="100"):
        list(stream.events(b": " + b"x" * 200))


def test_an_event_without_an_end_is_given_up_at_the_cap() -> None:
    stream = EventStream(100)
    assert [list(stream.feed(b"data: 12345\n")) for _ in range(9)] == [[]] * 9
    with pytest.raises(ValueError, match="100"):
        list(stream.feed(b"data: 12345\n"))
