"""A large result reads as its text where it says one thing, and as its own JSON everywhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from servers.large_results.readable import JSON, PLAIN, Readable, readable, written
from servers.large_results.spool import Span, Spool

TEXT = 'first\nsecond "quoted" é 😀'
BLOCK = {"type": "text", "text": TEXT}


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path, file_bytes=1 << 20, total_bytes=1 << 22)


def read(spool: Spool, raw: bytes) -> tuple[Readable, bytes]:
    file = spool.begin()
    file.write(b"head" + raw + b"tail")
    found = readable(spool, Span(file, 4, 4 + len(raw)))
    text = found.text.read()
    found.text.file.drop()
    assert spool.used == 0
    return found, text


@pytest.mark.parametrize(
    "result",
    [
        {"content": [BLOCK]},
        {"content": [BLOCK], "structuredContent": {"result": TEXT}},
        {"isError": False, "content": [BLOCK], "resultType": "complete", "_meta": {"com.example/a": [1]}},
        {"content": [BLOCK], "isError": True},
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_one_text_reads_as_it_is(spool: Spool, result: dict[str, Any], *, ascii_only: bool) -> None:
    found, text = read(spool, json.dumps(result, ensure_ascii=ascii_only).encode())
    assert (found.media, text.decode()) == (PLAIN, TEXT)
    assert found.is_error is result.get("isError", False)
    known = {"content", "structuredContent", "isError"}
    assert found.beside == {name: value for name, value in result.items() if name not in known}


def test_an_object_that_the_text_repeats_is_said_once(spool: Spool) -> None:
    rows = {"rows": [{"id": 1}, {"id": 2}]}
    text = json.dumps(rows, indent=2)
    result = {"content": [{"type": "text", "text": text}], "structuredContent": rows}
    found, read_text = read(spool, json.dumps(result).encode())
    assert (found.media, read_text.decode()) == (PLAIN, text)


@pytest.mark.parametrize(
    "result",
    [
        {},
        {"content": []},
        {"content": [BLOCK, BLOCK]},
        {"content": [{**BLOCK, "annotations": {"audience": ["user"]}}]},
        {"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "c"}}]},
        {"content": [BLOCK], "structuredContent": {"result": TEXT + "!"}},
        {"content": [BLOCK], "structuredContent": [1]},
        {"content": [BLOCK], "_meta": {"much": "x" * 70_000}},
        {"content": [{"type": "text", "text": "half \ud83d a character"}], "isError": True},
        {"content": "no list"},
        {"content": [7]},
    ],
)
def test_whatever_says_more_or_less_is_its_json_to_the_byte(spool: Spool, result: dict[str, Any]) -> None:
    raw = json.dumps(result).encode()
    found, text = read(spool, raw)
    assert (found.media, text) == (JSON, raw)
    assert found.is_error is result.get("isError", False)


def test_what_is_no_json_is_shown_as_it_came(spool: Spool) -> None:
    found, text = read(spool, b'{"content" [oops}')
    assert (found.media, text) == (JSON, b'{"content" [oops}')


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(alphabet=st.characters()))
def test_a_parsed_result_loses_nothing_on_its_way_through_a_file(spool: Spool, text: str) -> None:
    result = {"content": [{"type": "text", "text": text}, BLOCK]}
    span = written(spool, result)
    assert json.loads(span.read()) == result
    span.file.drop()
