"""Replies over the cap: put aside unparsed, and a small reply in their place on the way to whoever asked.

The SDK's layers between the wire and the caller pass the small one on like any other; it carries a mark that no server
can forge. Only results are taken so: a request, a notice or an error of that size is a fault of the server.
Refuses to know: methods, and what a result means.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

from domain.errors import UpstreamProtocolError
from domain.servers import UpstreamServer
from servers.large_results.json_spans import members, span
from servers.large_results.spool import Span, Spool, SpoolFile

_MARK = f"toolcrib-{secrets.token_hex(16)}"
_LONGEST_ID = 256


async def stand_in(spool: Spool, file: SpoolFile) -> dict[str, Any] | None:
    """The small reply, as JSON-RPC; None, and the file is dropped, when what it holds is no reply with a result."""
    found = None
    try:
        found = await asyncio.to_thread(_reply_in, file)
    finally:  # also when its caller is cancelled
        if found is None:
            file.drop()
    if found is None:
        return None
    number, result = found
    return {"jsonrpc": "2.0", "id": number, "result": {_MARK: spool.park(result)}}


def claimed(spool: Spool | None, result: Mapping[str, Any]) -> Span | None:
    """The large result that `result` stands for; None for a result that stands for itself."""
    token = result.get(_MARK)
    return spool.claim(token) if spool is not None and isinstance(token, str) else None


def parsed(large: Span, server: UpstreamServer) -> dict[str, Any]:
    """A result that may be parsed after all, since only its transport could not take it. Its file is dropped.

    Raises UpstreamProtocolError.
    """
    try:
        result = json.loads(large.read())
    except (ValueError, RecursionError) as error:
        sentence = f"Server {server.slug!r} answered with what is no JSON; report it there."
        raise UpstreamProtocolError(sentence) from error
    finally:
        large.file.drop()
    assert isinstance(result, dict)  # `stand_in` looked
    return result


def _reply_in(file: SpoolFile) -> tuple[str | int, Span] | None:
    """The id and the result of the message in `file`."""
    with file.view() as data:
        try:
            spans = {name: (start, end) for name, start, end in members(data, span(data, 0)[0])}
            number = json.loads(data[slice(*spans["id"])][:_LONGEST_ID])
            start, end = spans["result"]
        except (ValueError, KeyError):
            return None
        if not isinstance(number, str | int) or data[start : start + 1] != b"{":
            return None
    return number, Span(file, start, end)
