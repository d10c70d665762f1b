"""JSON-RPC over `servers.direct_http`: the short way of calls to servers of the current revision.

Refuses to know: connections, eras, retries. Errors are the ones of the SDK's way (servers/failures.py).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from mcp import MCPError

from domain.errors import UpstreamProtocolError
from domain.servers import UpstreamServer
from servers.direct_http import DirectHttp, NotDirect, Reply, WireFailure
from servers.failures import from_http, request_failed
from servers.http import HttpFailure, HttpFault
from servers.limits import Limits
from servers.negotiation import Peer
from servers.requests import RawRequest, stamped
from servers.wire import WireNotes

_ERROR = 300
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class DirectCalls:
    """Requests to one server, each on a connection of its own while it lasts."""

    def __init__(self, server: UpstreamServer, limits: Limits, peer: Peer) -> None:
        """Raises NotDirect for a server that cannot be reached this way."""
        self._server = server
        self._peer = peer
        self._access = limits.access
        self._ids = itertools.count(1)
        self._notes = WireNotes()
        self._wants_more = False
        self.http = DirectHttp(server, limits)

    async def request(self, request: RawRequest) -> dict[str, Any]:
        """The reply's result object. Raises UpstreamError; NotDirect when the server wants something else first."""
        if self._wants_more:
            raise NotDirect
        number = next(self._ids)
        params, headers = stamped(self._peer, request)
        if (token := await self._access.bearer(self._server)) is not None:
            headers = {**headers, "authorization": f"Bearer {token}"}
        message = {"jsonrpc": "2.0", "id": number, "method": request.method, "params": params}
        body = _compact(message).encode()
        try:
            reply = await self.http.post(headers, body, lambda data: _message(data).get("id") == number)
        except NotDirect:
            self._wants_more = True
            raise
        except WireFailure as failed:
            raise from_http(self._server, failed.failure) from None
        return self._result(request.method, number, reply)

    def _result(self, method: str, number: int, reply: Reply) -> dict[str, Any]:
        message = _message(reply.body)
        error = message.get("error")
        if isinstance(error, Mapping) and isinstance(error.get("code"), int):
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
        message = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
