"""`requestState` under seal: what a client carries between two rounds is its own call's, unread, unchanged, used once.

AES-256-GCM of the SDK under a key of this process: after a restart a client begins its call again.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp import MCPError
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from mcp_types import INVALID_PARAMS

from domain.canonical import canonical_json, sha256_hex
from domain.identity import Principal

LIFETIME_S = 600.0
_REMEMBERED = 100_000  # states that were used and have not expired yet
_OWN = frozenset({"inputResponses", "requestState", "_meta"})


@dataclass(frozen=True, slots=True)
class State:
    """What is under the seal."""

    upstream: str | None = None  # the server's own state, carried for it
    held: str | None = None  # a call that waits in this process


class Seals:
    """Seals and opens. Bound to principal, server and the request without its answers."""

    def __init__(self) -> None:
        self._codec = AESGCMRequestStateCodec([secrets.token_bytes(32)])
        self._used: OrderedDict[str, float] = OrderedDict()

    def close(self, state: State, principal: Principal, server: str, request: Mapping[str, Any]) -> str:
        body = {
            "for": _binding(principal, server, request),
            "until": time.time() + LIFETIME_S,
            "once": secrets.token_hex(16),
            "upstream": state.upstream,
            "held": state.held,
        }
        return self._codec.seal(json.dumps(body).encode())

    def open(self, token: object, principal: Principal, server: str, request: Mapping[str, Any]) -> State:
        """Raises MCPError (invalid params) for a state that is forged, expired, another call's, or used before."""
        try:
            body = json.loads(self._codec.unseal(token if isinstance(token, str) else ""))
        except InvalidRequestState as error:
            raise _refusal("was not made here or was changed") from error
        if body["for"] != _binding(principal, server, request):
            raise _refusal("belongs to another call")
        if body["until"] < time.time():
            raise _refusal("has expired")
        self._use(body["once"], body["until"])
        return State(body["upstream"], body["held"])

    def _use(self, once: str, until: float) -> None:
        now = time.time()
        while self._used and (next(iter(self._used.values())) < now or len(self._used) >= _REMEMBERED):
            self._used.popitem(last=False)
        if once in self._used:
            raise _refusal("was used before")
        self._used[once] = until


def _binding(principal: Principal, server: str, request: Mapping[str, Any]) -> str:
    plain = {key: value for key, value in request.items() if key not in _OWN}
    return sha256_hex(canonical_json([principal.tenant, principal.subject, server, plain]))


def _refusal(why: str) -> MCPError:
    return MCPError(
        INVALID_PARAMS, f"The requestState {why}; call again without it.", {"reason": "invalid_request_state"}
    )
