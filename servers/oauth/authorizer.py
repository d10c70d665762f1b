"""One door for all upstream credentials that OAuth gives: tokens for connections, links for people.

A server has a token (servers/oauth/tokens.py), or waits for a person, or does not speak OAuth. Refuses to know: MCP,
connections, tools.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import httpx2
from mcp.client.auth.exceptions import OAuthFlowError
from mcp.client.auth.utils import union_scopes, validate_authorization_response_iss
from mcp.shared.auth import OAuthClientInformationFull

from domain.errors import AuthorizationFailed, AuthorizationNeeded, Forbidden
from domain.servers import UpstreamServer
from servers.egress import Egress
from servers.oauth.credential import Credential, CredentialStore, received
from servers.oauth.discovery import Authority, Challenge, challenge_of, discover, prescribed
from servers.oauth.fetching import Fetcher, egress_for
from servers.oauth.grants import authorization_url, grant, revoke
from servers.oauth.pending import Pending, PendingAuthorizations
from servers.oauth.registration import register, registered_before, still_known
from servers.oauth.tokens import Key, TokenKeeper, concerns_oauth

logger = logging.getLogger(__name__)

CALLBACK = "/oauth/callback"
_LOOK_AGAIN_S = 300.0  # a server that waits for a person is asked again whom to trust after this long
_MOST_STEP_UPS = 2  # for one scope, after the first authorization, before we believe that it will never do


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A server that waits for a person."""

    authority: Authority
    challenge: Challenge
    found_at: float


class Authorizer:
    """Implements `servers.access.Access`. `listens_at` tells it where people's browsers reach the gateway."""

    def __init__(
        self,
        store: CredentialStore,
        *,
        client_metadata_url: str | None = None,
        clock: Callable[[], float] = time.time,
        egress: Callable[[UpstreamServer], Egress] = egress_for,
    ) -> None:
        self._client_metadata_url = client_metadata_url
        self._clock = clock
        self._egress = egress
        self._address: str | None = None
        self._tokens = TokenKeeper(store, clock, egress)
        self._wanted: dict[Key, _Wanted] = {}
        self._plain: dict[Key, float] = {}  # servers that do not speak OAuth, and when they were asked
        self._looking: dict[Key, asyncio.Lock] = {}
        self._step_ups: dict[tuple[Key, str], int] = {}
        self._pending = PendingAuthorizations(clock)

    def listens_at(self, url: str) -> None:
        """The gateway's own address, to which authorization servers send people back."""
        self._address = url.rstrip("/")

    def link(self, tenant: str, slug: str) -> str | None:
        """See `Access`."""
        if (tenant, slug) not in self._wanted:
            return None
        return "" if self._address is None else f"{self._address}/oauth/authorize/{slug}"

    async def bearer(self, server: UpstreamServer) -> str | None:
        """See `Access`."""
        return await self._tokens.bearer(server)

    async def refused(
        self, server: UpstreamServer, token: str | None, response: httpx2.Response, *, again: bool
    ) -> bool:
        """See `Access`."""
        challenge = challenge_of(response)
        if challenge is None or not concerns_oauth(server):
            return False
        tokens = await self._tokens.tokens(server)
        if tokens is not None and not again and not challenge.is_step_up:
            if tokens.access == token and tokens.refresh:
                await self._tokens.refresh(server)
            present = await self._tokens.tokens(server)
            if present is not None and present.access != token:
                return True
        if not await self._want(server, challenge, tokens.scope if tokens is not None else None):
            return False
        raise AuthorizationNeeded(self._request_to_people(server))

    async def begin(self, server: UpstreamServer, subject: str) -> str:
        """The address where `subject` allows us to use the server. Raises AuthorizationFailed."""
        key = (server.tenant, server.slug)
        wanted = self._wanted.get(key)
        if wanted is None or self._address is None:
            raise AuthorizationFailed(
                f"Server {server.slug!r} does not wait for an authorization; sync it, and see what it says."
            )
        redirect_uri = f"{self._address}{CALLBACK}"
        client = await self._client(server, wanted.authority, redirect_uri)
        pending = Pending(server, subject, wanted.authority, client, redirect_uri, self._clock())
        state = self._pending.add(pending)
        return authorization_url(wanted.authority, client, pending.pkce.code_challenge, state, redirect_uri)

    async def use_client(self, server: UpstreamServer, client_id: str, client_secret: str | None) -> Authority:
        """Take the client that an operator registered beforehand; tokens of an earlier one are forgotten.

        Raises AuthorizationFailed when the server names nobody to whom it could belong.
        """
        async with Fetcher(server, self._egress(server)) as fetcher:
            authority = await discover(fetcher, Challenge(None, None, is_step_up=False))
            if authority is None or not concerns_oauth(server):
                raise fetcher.failed("it names no authorization server, or has an Authorization header of its own.")
        client = registered_before(authority, client_id, client_secret)
        endpoint = str(authority.metadata.token_endpoint)
        await self._tokens.keep(server, Credential(authority.issuer, authority.resource, endpoint, client))
        return authority

    async def complete(self, subject: str, tenant: str, answer: Mapping[str, str]) -> UpstreamServer:
        """Finish what `begin` began, with the parameters of the callback; the server can be used now.

        Raises InvalidInput for a state that is unknown, used or old, Forbidden when another principal began it,
        AuthorizationFailed when it was refused or the answer is not from where it should be.
        """
        pending = self._pending.take(answer.get("state", ""))
        server, authority = pending.server, pending.authority
        if (pending.subject, server.tenant) != (subject, tenant):
            raise Forbidden("Somebody else began this authorization; begin your own.")
        who = f"Server {server.slug!r} was not authorized"
        try:
            validate_authorization_response_iss(answer.get("iss"), authority.metadata)
        except OAuthFlowError:
            raise AuthorizationFailed(
                f"{who}: the answer came from another issuer than {authority.issuer}; begin it again."
            ) from None
        if "code" not in answer:
            raise AuthorizationFailed(f"{who}: {answer.get('error', 'no code came back')[:80]}; begin it again.")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": pending.redirect_uri,
            "code_verifier": pending.pkce.code_verifier,
            "resource": authority.resource,
        }
        endpoint = str(authority.metadata.token_endpoint)
        async with Fetcher(server, self._egress(server)) as fetcher:
            token = await grant(fetcher, endpoint, pending.client, form)
        tokens = received(token, self._clock(), authority.scope)
        credential = Credential(authority.issuer, authority.resource, endpoint, pending.client, tokens)
        await self._tokens.keep(server, credential)
        self._wanted.pop((server.tenant, server.slug), None)
        return server

    async def revoke(self, server: UpstreamServer) -> bool:
        """Forget what people allowed; whether the authorization server has forgotten it as well.

        It is asked to where it offers that (RFC 7009). Whatever it says, nothing is left here.
        """
        credential = await self._tokens.credential(server)
        try:
            return credential is not None and await self._revoke(server, credential)
        except AuthorizationFailed as error:
            logger.warning("The authorization of server %r was forgotten here only: %s", server.slug, error.message)
            return False
        finally:
            await self.forget(server.tenant, server.slug)

    async def _revoke(self, server: UpstreamServer, credential: Credential) -> bool:
        """The refresh token first: with it many servers end the access tokens too. Raises AuthorizationFailed."""
        tokens = credential.tokens
        if tokens is None:
            return False
        async with Fetcher(server, self._egress(server)) as fetcher:
            authority = await discover(fetcher, Challenge(None, None, is_step_up=False))
            endpoint = authority.metadata.revocation_endpoint if authority is not None else None
            if authority is None or endpoint is None or not credential.belongs_to(authority.issuer):
                return False
            fetcher.require_url(str(endpoint))
            given = {"refresh_token": tokens.refresh, "access_token": tokens.access}
            done = [
                await revoke(fetcher, str(endpoint), credential.client, token, hint)
                for hint, token in given.items()
                if token
            ]
        return all(done)

    async def forget(self, tenant: str, slug: str) -> None:
        """Everything about a server: it was removed, or its tokens are to go."""
        key = (tenant, slug)
        self._wanted.pop(key, None)
        self._plain.pop(key, None)
        self._step_ups = {step: count for step, count in self._step_ups.items() if step[0] != key}
        await self._tokens.forget(tenant, slug)

    async def aclose(self) -> None:
        """Wait for what is under way."""
        await self._tokens.aclose()

    async def _want(self, server: UpstreamServer, challenge: Challenge, granted: str | None) -> bool:
        """Remember that a person is needed, and whom to ask; False when nobody can be asked.

        Raises AuthorizationFailed.
        """
        key = (server.tenant, server.slug)
        async with self._looking.setdefault(key, asyncio.Lock()):
            known = self._wanted.get(key)
            if known and known.challenge == challenge and self._clock() - known.found_at < _LOOK_AGAIN_S:
                return True
            if self._clock() - self._plain.get(key, -_LOOK_AGAIN_S) < _LOOK_AGAIN_S:
                return False
            authority = await self._authority(server, challenge)
            if authority is None:
                self._plain[key] = self._clock()
                return False
            if challenge.is_step_up:
                self._count_step_up(key, challenge.scope or "", server)
                authority = replace(authority, scope=union_scopes(granted, authority.scope))
            self._wanted[key] = _Wanted(authority, challenge, self._clock())
            return True

    async def _authority(self, server: UpstreamServer, challenge: Challenge) -> Authority | None:
        """Who is named; or the server's own origin, if it registers us at the paths that 2025-03-26 prescribes."""
        async with Fetcher(server, self._egress(server)) as fetcher:
            authority = await discover(fetcher, challenge)
        if authority is not None or self._address is None:
            return authority
        guess = prescribed(server)
        try:
            await self._client(server, guess, f"{self._address}{CALLBACK}")
        except AuthorizationFailed:
            return None
        return guess

    def _count_step_up(self, key: Key, scope: str, server: UpstreamServer) -> None:
        count = self._step_ups.get((key, scope), 0) + 1
        if count > _MOST_STEP_UPS:
            raise AuthorizationFailed(
                f"Server {server.slug!r} asks for the scope {scope[:80]!r} again after {_MOST_STEP_UPS} authorizations "
                "for it; its authorization server does not grant it to you."
            )
        self._step_ups[key, scope] = count

    async def _client(
        self, server: UpstreamServer, authority: Authority, redirect_uri: str
    ) -> OAuthClientInformationFull:
        """Our client there: the one of last time where it serves, else a new one, which is kept."""
        credential = await self._tokens.credential(server)
        if credential is not None and still_known(credential, authority, redirect_uri):
            return credential.client
        async with Fetcher(server, self._egress(server)) as fetcher:
            client = await register(fetcher, authority, redirect_uri, self._client_metadata_url)
        if credential is None or credential.tokens is None or not credential.belongs_to(authority.issuer):
            endpoint = str(authority.metadata.token_endpoint)
            await self._tokens.keep(server, Credential(authority.issuer, authority.resource, endpoint, client))
        return client

    def _request_to_people(self, server: UpstreamServer) -> str:
        link = self.link(server.tenant, server.slug)
        who = f"Server {server.slug!r} needs your authorization"
        if link:
            return f"{who}: open {link} in a browser, then try again."
        return (
            f"{who}: start `toolcrib serve`, open the link that `toolcrib servers show {server.slug}` has, try again."
        )
