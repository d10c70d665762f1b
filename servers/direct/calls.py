"""JSON-RPC over `servers.direct.http`: the short way of calls to servers of the current revision.

Refuses to know: connections, eras, retries. Errors are the ones of the SDK's way (servers/failures.py).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from mcp import MCPError

from domain.errors import UpstreamProtocolError
from domain.servers import UpstreamServer
from servers.direct import json_bytes
from servers.direct.http import DirectHttp, NotDirect, Reply, WireFailure, header_lines
from servers.failures import from_http, request_failed
from servers.large_results.oversized import stand_in
from servers.large_results.spool import SpoolFile
from servers.limits import Limits
from servers.negotiation import Peer
from servers.requests import RawRequest, stamped
from servers.transports.http import HttpFailure, HttpFault
from servers.transports.wire import WireNotes

_ERROR = 300
_HEADS = 1024


class DirectCalls:
    """Requests to one server, each on a connection of its own while it lasts."""

    def __init__(self, server: UpstreamServer, limits: Limits, peer: Peer) -> None:
        """Raises NotDirect for a server that cannot be reached this way."""
        self._server = server
        self._peer = peer
        self._access = limits.access
        self._cap = limits.caps.message_bytes
        self._spool = limits.spool
        self._ids = itertools.count(1)
        self._notes = WireNotes()
        self._wants_more = False
        stamps, _ = stamped(peer, RawRequest("", {}))
        self._stamps = json_bytes.write(stamps)[1:] + b"}"  # the end of every message
        self._heads: dict[str, bytes] = {}  # of calls by their tool, where no argument is mirrored
        self.http = DirectHttp(server, limits)

    async def request(
        self, request: RawRequest, on_other: Callable[[Mapping[str, Any]], None] = lambda _message: None
    ) -> dict[str, Any]:
        """The reply's result object; `on_other` is given what comes before it in the reply's stream.

        Raises UpstreamError; NotDirect when the server wants something else first.
        """
        if self._wants_more:
            raise NotDirect
        number = next(self._ids)
        head, body = self._written(request, number)
        if (token := await self._access.bearer(self._server)) is not None:
            head += header_lines({"authorization": f"Bearer {token}"})

        def answers(data: bytes) -> bool:
            message = _message(data)
            if is_answer := message.get("id") == number:
                return is_answer
            on_other(message)
            return False

        try:
            reply = await self.http.post(head, body, answers)
        except NotDirect:
            self._wants_more = True
            raise
        except WireFailure as failed:
            raise from_http(self._server, failed.failure) from None
        if reply.file is not None:
            reply = await self._put_aside(reply, reply.file)
        return self._result(request.method, number, reply)

    def _written(self, request: RawRequest, number: int) -> tuple[bytes, bytes]:
        """Header lines and body. Only the arguments of a call differ from the one before, so only they are encoded.

        Raises NotDirect for a name that fits in no header.
        """
        if request.mirrored or not request.params or "_meta" in request.params:
            params, headers = stamped(self._peer, request)
            message = {"jsonrpc": "2.0", "id": number, "method": request.method, "params": params}
            return header_lines(headers), json_bytes.write(message)
        name = f"{request.method} {request.params.get('name')}"
        if (head := self._heads.get(name)) is None:
            head = header_lines(stamped(self._peer, request)[1])
            if len(self._heads) >= _HEADS:
                self._heads.clear()
            self._heads[name] = head
        start = b'{"jsonrpc":"2.0","id":%d,"method":"%b","params":' % (number, request.method.encode())
        return head, b"%b%b,%b" % (start, json_bytes.write(request.params)[:-1], self._stamps)

    async def _put_aside(self, reply: Reply, file: SpoolFile) -> Reply:
        """A small reply in place of one over the cap."""
        assert self._spool is not None  # it made the file
        small = await stand_in(self._spool, file)
        if small is None:
            why = f"more than {self._cap} bytes, and no result"
            raise from_http(self._server, HttpFailure(HttpFault.TOO_LARGE, reply.status, why))
        return Reply(reply.status, json_bytes.write(small))

    def _result(self, method: str, number: int, reply: Reply) -> dict[str, Any]:
        message = _message(reply.body)
        error = message.get("error")
        if isinstance(error, dict) and isinstance(error.get("code"), int):
            refusal = MCPError(error["code"], str(error.get("message", "")), error.get("data"))
            raise request_failed(self._server, self._notes, method, refusal)
        if reply.status >= _ERROR:
            raise from_http(self._server, HttpFailure(HttpFault.STATUS, reply.status))
        result = message.get("result")
        if message.get("id") != number or not isinstance(result, dict):
            raise UpstreamProtocolError(
                f"Server {self._server.slug!r} gave no usable answer to {method}; report it there."
            )
        return result


def _message(data: bytes) -> Mapping[str, Any]:
    """A JSON object; empty for whatever is none."""
    try:
        message = json_bytes.parse(data)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
