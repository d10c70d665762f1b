"""A tool's result as one text that can be read in pages: what it says where it says one thing, else its JSON.

Works on the result's bytes, so that one over the parsing cap is no different from a small one. Blocking: for a worker
thread. Refuses to know: pages, and who reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servers.large_results.json_spans import Data, items, members, text_of
from servers.large_results.spool import Span, Spool, SpoolFile, SpoolFull

PLAIN, JSON = "text/plain", "application/json"
_COMPARED_BYTES = 16 * 1024 * 1024  # two texts up to this size are parsed to see whether they say the same
_BESIDE_BYTES = 64 * 1024  # of other members, which travel beside a plain text

_Spans = dict[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Readable:
    """`text` owns its file. `beside` is what the result holds besides its only text."""

    text: Span
    media: str
    is_error: bool = False
    beside: Mapping[str, Any] = field(default_factory=dict)


def written(spool: Spool, result: Mapping[str, Any]) -> Span:
    """The JSON of a result that was parsed, in a file. Raises SpoolFull."""
    try:
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a character can be written as an escape only
        text = json.dumps(result, separators=(",", ":")).encode()
    file = spool.begin()
    file.write(text)
    return Span(file, 0, len(text))


def readable(spool: Spool, result: Span) -> Readable:
    """Takes `result` over, and loses nothing of it: what cannot be a plain text is its JSON, as the server wrote it."""
    with result.file.view() as data:
        try:
            parts = {name: (start, end) for name, start, end in members(data, result.start)}
            is_error = "isError" in parts and data[slice(*parts["isError"])] == b"true"
        except ValueError:
            return Readable(result, JSON)
        try:
            text, beside = _only_text(data, parts)
            plain = _plain(spool, data, text)
        except (ValueError, SpoolFull):
            return Readable(result, JSON, is_error)
    result.file.drop()
    return Readable(Span(plain, 0, plain.size), PLAIN, is_error, beside)


def _plain(spool: Spool, data: Data, text: tuple[int, int]) -> SpoolFile:
    file = spool.begin()
    try:
        for piece in text_of(data, *text):
            file.write(piece)
    except ValueError:
        file.drop()
        raise
    return file


def _only_text(data: Data, parts: _Spans) -> tuple[tuple[int, int], Mapping[str, Any]]:
    """Where the one text is that the result says, and what stands beside it. Raises ValueError when it says more."""
    blocks = list(items(data, parts["content"][0])) if "content" in parts else []
    if len(blocks) != 1:
        raise ValueError("not one block")
    block = {name: (start, end) for name, start, end in members(data, blocks[0][0])}
    if block.keys() != {"type", "text"} or data[slice(*block["type"])] != b'"text"':
        raise ValueError("not a plain text")
    structured = parts.get("structuredContent")
    if structured is not None and not _says_the_same(data, block["text"], structured):
        raise ValueError("two contents")
    rest = {name: where for name, where in parts.items() if name not in {"content", "structuredContent", "isError"}}
    if sum(end - start for start, end in rest.values()) > _BESIDE_BYTES:
        raise ValueError("much beside the text")
    return block["text"], {name: json.loads(data[start:end]) for name, (start, end) in rest.items()}


def _says_the_same(data: Data, text: tuple[int, int], structured: tuple[int, int]) -> bool:
    """Whether structuredContent repeats the text, as SDKs make it: `{"result": text}`, or what the text is JSON of."""
    if data[structured[0] : structured[0] + 1] == b"{":
        inner = {name: (start, end) for name, start, end in members(data, structured[0])}
        if inner.keys() == {"result"} and data[slice(*inner["result"])] == data[slice(*text)]:
            return True
    if text[1] - text[0] > _COMPARED_BYTES or structured[1] - structured[0] > _COMPARED_BYTES:
        return False
    try:
        same: bool = json.loads(json.loads(data[slice(*text)])) == json.loads(data[slice(*structured)])
    except RecursionError:
        return False
    return same
