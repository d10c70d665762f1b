"""Makes us known to an authorization server: a client metadata document first, dynamic registration otherwise."""

from __future__ import annotations

import time
from typing import Literal

from mcp.client.auth.exceptions import OAuthRegistrationError
from mcp.client.auth.oauth2 import check_registration_usable
from mcp.client.auth.utils import (
    create_client_info_from_metadata_url,
    create_client_registration_request,
    handle_registration_response,
    should_use_client_metadata_url,
)
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata
from pydantic import AnyUrl

from servers.oauth.credential import Credential
from servers.oauth.discovery import GRANTS, Authority
from servers.oauth.fetching import Fetcher

_BASIC = "client_secret_basic"
_IN_BODY = "client_secret_post"


def still_known(credential: Credential | None, authority: Authority, redirect_uri: str) -> bool:
    """Whether the client of an earlier authorization serves again: same issuer, same way back, not expired."""
    if credential is None or not credential.belongs_to(authority.issuer):
        return False
    client = credential.client
    expires = client.client_secret_expires_at
    if expires and expires <= time.time():
        return False
    return client.redirect_uris is None or redirect_uri in map(str, client.redirect_uris)


async def register(
    fetcher: Fetcher, authority: Authority, redirect_uri: str, metadata_url: str | None
) -> OAuthClientInformationFull:
    """A client of this authority. Raises AuthorizationFailed."""
    way_back = [AnyUrl(redirect_uri)]
    if metadata_url is not None and should_use_client_metadata_url(authority.metadata, metadata_url):
        client = create_client_info_from_metadata_url(metadata_url, redirect_uris=way_back)
        client.issuer = authority.issuer
        return client
    if authority.metadata.registration_endpoint is None:
        raise fetcher.failed(
            f"the authorization server {authority.issuer} takes no clients it does not know; "
            "register a client there and name it with `toolcrib secrets oauth-client`."
        )
    wishes = OAuthClientMetadata(
        client_name="Toolcrib", redirect_uris=way_back, grant_types=list(GRANTS), response_types=["code"],
        scope=authority.scope, token_endpoint_auth_method=_method(authority),
    )  # fmt: skip
    request = create_client_registration_request(authority.metadata, wishes, authority.issuer)
    response = await fetcher.send(request)
    try:
        client = await handle_registration_response(response)
        check_registration_usable(client)
    except OAuthRegistrationError as error:
        reason = f"HTTP {response.status_code}" if response.is_error else type(error.__cause__ or error).__name__
        raise fetcher.failed(f"the authorization server {authority.issuer} did not register us ({reason}).") from None
    client.issuer = authority.issuer
    return client


def registered_before(authority: Authority, client_id: str, client_secret: str | None) -> OAuthClientInformationFull:
    """A client that a person registered there. Its redirect URIs are known to the authorization server alone."""
    offered = authority.metadata.token_endpoint_auth_methods_supported or [_BASIC]
    method = "none" if client_secret is None else _BASIC if _BASIC in offered else _IN_BODY
    return OAuthClientInformationFull(
        client_id=client_id, client_secret=client_secret, token_endpoint_auth_method=method, issuer=authority.issuer
    )


def _method(authority: Authority) -> Literal["none"] | None:
    """A program on somebody's machine keeps no secret from them: `none` where it may be; else what the server likes."""
    offered = authority.metadata.token_endpoint_auth_methods_supported
    return "none" if offered is not None and "none" in offered else None
