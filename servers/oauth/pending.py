"""Authorizations that a person has begun: each state leads back once, for a while, to whoever began it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from mcp.client.auth.oauth2 import PKCEParameters
from mcp.shared.auth import OAuthClientInformationFull

from domain.errors import InvalidInput
from domain.servers import UpstreamServer
from servers.oauth.discovery import Authority

_LIFE_S = 600.0
_MOST = 1000  # the oldest go first


@dataclass(frozen=True, slots=True)
class Pending:
    """One begun authorization, bound to its server and to the principal in whose browser it was begun."""

    server: UpstreamServer
    subject: str
    authority: Authority
    client: OAuthClientInformationFull
    redirect_uri: str
    begun_at: float
    pkce: PKCEParameters = field(default_factory=PKCEParameters.generate, repr=False)


class PendingAuthorizations:
    """By state: 256 random bits."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun: dict[str, Pending] = {}

    def add(self, pending: Pending) -> str:
        """The state to send along."""
        if len(self._begun) >= _MOST:
            self._begun.pop(next(iter(self._begun)))
        state = secrets.token_urlsafe(32)
        self._begun[state] = pending
        return state

    def take(self, state: str) -> Pending:
        """What was begun with it, once. Raises InvalidInput."""
        pending = self._begun.pop(state, None)
        if pending is None or self._clock() - pending.begun_at > _LIFE_S:
            raise InvalidInput("This authorization is unknown, was finished already, or took too long; begin it again.")
        return pending
