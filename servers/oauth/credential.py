"""What is kept of one server's authorization: a client at one issuer, and its tokens. Sealed wherever it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from mcp.client.auth.utils import issuers_match
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

_MARGIN_S = 60.0  # refreshed this long before the end, or at nine tenths of a shorter life
_MARGIN_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Tokens:
    """`expires_at` is in epoch seconds, `refresh_at` a little before it; None when the server did not say."""

    access: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)
    expires_at: float | None = None
    refresh_at: float | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """Bound to its issuer (SEP-2352): client and tokens are never shown to another one."""

    issuer: str
    resource: str  # what the tokens are for, RFC 8707
    token_endpoint: str
    client: OAuthClientInformationFull = field(repr=False)
    tokens: Tokens | None = None

    def belongs_to(self, issuer: str) -> bool:
        return issuers_match(self.issuer, issuer)

    def without_tokens(self) -> Credential:
        return replace(self, tokens=None)

    def to_json(self) -> dict[str, Any]:
        client = self.client.model_dump(mode="json", exclude_none=True)
        tokens = None if self.tokens is None else asdict(self.tokens)
        return {
            "issuer": self.issuer,
            "resource": self.resource,
            "token_endpoint": self.token_endpoint,
            "client": client,
            "tokens": tokens,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Credential:
        client = OAuthClientInformationFull.model_validate(value["client"])
        tokens = None if value["tokens"] is None else Tokens(**value["tokens"])
        return cls(value["issuer"], value["resource"], value["token_endpoint"], client, tokens)


def received(token: OAuthToken, now: float, asked_scope: str | None, before: Tokens | None = None) -> Tokens:
    """Tokens as an answer gives them; what it leaves out stays as it was (RFC 6749, 5.1 and 6)."""
    expires_at = refresh_at = None
    if token.expires_in is not None:
        life = float(token.expires_in)
        expires_at = now + life
        refresh_at = expires_at - min(_MARGIN_S, life * _MARGIN_SHARE)
    kept = before.refresh if before is not None else None
    return Tokens(token.access_token, token.refresh_token or kept, expires_at, refresh_at, token.scope or asked_scope)


class CredentialStore(Protocol):
    """Where credentials are kept, sealed. Real: `store/credentials.py`; fake: MemoryCredentials."""

    async def load(self, tenant: str, server: str) -> Mapping[str, Any] | None: ...

    async def save(self, tenant: str, server: str, value: Mapping[str, Any]) -> None: ...

    async def forget(self, tenant: str, server: str) -> None: ...


class MemoryCredentials:
    """Forgets everything with the process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def load(self, tenant: str, server: str) -> Mapping[str, Any] | None:
        """See `CredentialStore`."""
        return self._kept.get((tenant, server))

    async def save(self, tenant: str, server: str, value: Mapping[str, Any]) -> None:
        """See `CredentialStore`."""
        self._kept[tenant, server] = value

    async def forget(self, tenant: str, server: str) -> None:
        """See `CredentialStore`."""
        self._kept.pop((tenant, server), None)
