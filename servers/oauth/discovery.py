"""Finds who may authorize us at a server: RFC 9728, then RFC 8414 or OpenID Connect, then the paths of 2025-03-26.

What it finds was written by others: every name in it is checked against where it was found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
from mcp.client.auth.exceptions import OAuthFlowError
from mcp.client.auth.utils import (
    build_oauth_authorization_server_metadata_discovery_urls,
    build_protected_resource_metadata_discovery_urls,
    extract_field_from_www_auth,
    extract_resource_metadata_from_www_auth,
    extract_scope_from_www_auth,
    get_client_metadata_scopes,
    issuers_match,
    validate_metadata_issuer,
)
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed, resource_url_from_server_url

from domain.servers import UpstreamServer
from servers.oauth.fetching import Fetcher, parsed

GRANTS = ["authorization_code", "refresh_token"]


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a refusal says: WWW-Authenticate, RFC 6750 and RFC 9728."""

    metadata_url: str | None
    scope: str | None
    is_step_up: bool  # 403 insufficient_scope: the token is good, but not for this


def challenge_of(response: httpx2.Response) -> Challenge | None:
    """None for a 403 that no other token would change."""
    is_step_up = (
        response.status_code == httpx2.codes.FORBIDDEN
        and extract_field_from_www_auth(response, "error") == "insufficient_scope"
    )
    if response.status_code != httpx2.codes.UNAUTHORIZED and not is_step_up:
        return None
    return Challenge(
        extract_resource_metadata_from_www_auth(response), extract_scope_from_www_auth(response), is_step_up
    )


@dataclass(frozen=True, slots=True)
class Authority:
    """Who authorizes, for what, and which scope to ask for."""

    metadata: OAuthMetadata
    resource: str
    scope: str | None

    @property
    def issuer(self) -> str:
        return str(self.metadata.issuer)


async def discover(fetcher: Fetcher, challenge: Challenge) -> Authority | None:
    """The authority, or None when the server says nothing of OAuth. Raises AuthorizationFailed for bad metadata."""
    url = resource_url_from_server_url(fetcher.server.launch.url or "")
    described = await _protected_resource(fetcher, challenge, url)
    if described is None:
        metadata = await _of_origin(fetcher, url)
        resource = url
    else:
        metadata = await _authorization_server(fetcher, str(described.authorization_servers[0]), url)
        resource = str(described.resource)
    if metadata is None:
        return None
    _require_usable(fetcher, metadata)
    return Authority(metadata, resource, get_client_metadata_scopes(challenge.scope, described, metadata, GRANTS))


def prescribed(server: UpstreamServer) -> Authority:
    """The paths of 2025-03-26 for servers without metadata: a guess, to be proved by registering there."""
    url = resource_url_from_server_url(server.launch.url or "")
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    paths = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "registration_endpoint": "/register"}
    metadata = OAuthMetadata.model_validate(
        {"issuer": origin, "code_challenge_methods_supported": ["S256"]}
        | {name: f"{origin}{path}" for name, path in paths.items()}
    )
    return Authority(metadata, url, None)


async def _protected_resource(fetcher: Fetcher, challenge: Challenge, url: str) -> ProtectedResourceMetadata | None:
    for place in build_protected_resource_metadata_discovery_urls(challenge.metadata_url, url):
        found = await fetcher.get_object(place)
        if found is None:
            continue
        described = parsed(ProtectedResourceMetadata, found, fetcher, f"the resource metadata at {place}")
        if not check_resource_allowed(requested_resource=url, configured_resource=str(described.resource)):
            raise fetcher.failed(
                f"the metadata at {place} describes the resource {str(described.resource)!r}, not {url!r}."
            )
        return described
    return None


async def _authorization_server(fetcher: Fetcher, issuer: str, url: str) -> OAuthMetadata:
    for place in build_oauth_authorization_server_metadata_discovery_urls(issuer, url):
        found = await fetcher.get_object(place)
        if found is not None:
            return _checked(fetcher, found, place, issuer)
    raise fetcher.failed(f"its authorization server {issuer} publishes no metadata; report it there.")


async def _of_origin(fetcher: Fetcher, url: str) -> OAuthMetadata | None:
    """Servers of 2025-03-26: metadata at their own origin, where a root issuer may end with a slash or not."""
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    for place in build_oauth_authorization_server_metadata_discovery_urls(None, url):
        found = await fetcher.get_object(place)
        if found is not None:
            said = str(found.get("issuer"))
            return _checked(fetcher, found, place, said if issuers_match(said, origin) else origin)
    return None


def _checked(fetcher: Fetcher, found: Mapping[str, Any], place: str, issuer: str) -> OAuthMetadata:
    metadata = parsed(OAuthMetadata, found, fetcher, f"the authorization server metadata at {place}")
    try:
        validate_metadata_issuer(metadata, issuer)
    except OAuthFlowError:
        raise fetcher.failed(
            f"the metadata at {place} names the issuer {str(metadata.issuer)!r} instead of {issuer!r}, so it may be "
            "an imitation."
        ) from None
    return metadata


def _require_usable(fetcher: Fetcher, metadata: OAuthMetadata) -> None:
    """PKCE is there (the specification: refuse otherwise), and every address may be used."""
    if "S256" not in (metadata.code_challenge_methods_supported or ()):
        raise fetcher.failed(f"the authorization server {metadata.issuer} does not offer PKCE with S256.")
    for address in (metadata.authorization_endpoint, metadata.token_endpoint, metadata.registration_endpoint):
        if address is not None:
            fetcher.require_url(str(address))
