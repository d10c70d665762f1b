"""The two grants: an authorization code with PKCE, and a refresh token; and giving back what they brought.

Every request for tokens names the resource (RFC 8707).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import httpx2
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from domain.errors import AuthorizationFailed
from servers.oauth.discovery import Authority
from servers.oauth.fetching import Fetcher, ServerSilent, is_passing, parsed

_SECRET_IN_BODY = "client_secret_post"  # noqa: S105 - a method's name


class GrantRefused(AuthorizationFailed):
    """The authorization server refused a grant: a used code, a revoked refresh token. Asking again does not help."""


def authorization_url(
    authority: Authority, client: OAuthClientInformationFull, challenge: str, state: str, redirect_uri: str
) -> str:
    """Where a person allows it. What the endpoint has in its query stays."""
    asked = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "resource": authority.resource,
    }
    if authority.scope:
        asked["scope"] = authority.scope
        if "offline_access" in authority.scope.split():
            asked["prompt"] = "consent"  # OpenID Connect Core, 11
    parts = urlsplit(str(authority.metadata.authorization_endpoint))
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in asked]
    return urlunsplit(parts._replace(query=urlencode([*query, *asked.items()]), fragment=""))


async def grant(
    fetcher: Fetcher, token_endpoint: str, client: OAuthClientInformationFull, form: Mapping[str, str]
) -> OAuthToken:
    """Tokens for a code or a refresh token. Raises GrantRefused, ServerSilent, AuthorizationFailed."""
    body, headers = _authenticated(client, form)
    response = await fetcher.send(httpx2.Request("POST", token_endpoint, data=body, headers=headers))
    if is_passing(response):
        raise ServerSilent(
            f"Server {fetcher.server.slug!r} cannot be authorized: {token_endpoint} answered "
            f"HTTP {response.status_code}; try again later."
        )
    found = _json(response)
    if not response.is_success or found is None:
        reason = found.get("error") if found is not None else None
        raise GrantRefused(
            f"Server {fetcher.server.slug!r} cannot be authorized: {token_endpoint} refused "
            f"({str(reason)[:80] if reason else f'HTTP {response.status_code}'}); authorize it again."
        )
    return parsed(OAuthToken, found, fetcher, f"the answer of {token_endpoint}")


async def revoke(fetcher: Fetcher, endpoint: str, client: OAuthClientInformationFull, token: str, hint: str) -> bool:
    """Have the authorization server forget a token (RFC 7009); whether it says that it did.

    Raises AuthorizationFailed when it cannot be asked.
    """
    body, headers = _authenticated(client, {"token": token, "token_type_hint": hint})
    response = await fetcher.send(httpx2.Request("POST", endpoint, data=body, headers=headers))
    return response.is_success


def _authenticated(
    client: OAuthClientInformationFull, form: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The form and headers with what identifies us; without a stated method a secret goes as Basic (RFC 7591, 2)."""
    body = {**form, "client_id": client.client_id}
    headers = {"Accept": "application/json"}
    method = client.token_endpoint_auth_method
    if client.client_secret is None or method == "none":
        return body, headers
    if method == _SECRET_IN_BODY:
        return {**body, "client_secret": client.client_secret}, headers
    pair = f"{quote(client.client_id, safe='')}:{quote(client.client_secret, safe='')}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return body, headers


def _json(response: httpx2.Response) -> Mapping[str, object] | None:
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
