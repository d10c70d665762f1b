"""What a connection needs to know of a server's credentials beyond its registered headers. Real: `servers/oauth`."""

from __future__ import annotations

from typing import Protocol

import httpx2

from domain.servers import UpstreamServer


class Access(Protocol):
    """Tokens for requests, and what to do when they are refused."""

    async def bearer(self, server: UpstreamServer) -> str | None:
        """A token that is good for now, refreshed before it expires; None when there is none. Raises UpstreamError."""
        ...

    async def refused(
        self, server: UpstreamServer, token: str | None, response: httpx2.Response, *, again: bool
    ) -> bool:
        """A server answered 401 or 403 to `token`. True: there is a better token now, send the request once more.
        False: it is no matter of OAuth. `again` says that the request was sent twice already.

        Raises AuthorizationNeeded when a person has to allow it, AuthorizationFailed when it cannot be allowed.
        """
        ...

    def link(self, tenant: str, slug: str) -> str | None:
        """Where a person authorizes this server, if it waits for that; empty while no gateway listens."""
        ...


class NoAccess:
    """For pools without OAuth: registered headers are all there is."""

    async def bearer(self, server: UpstreamServer) -> str | None:  # noqa: ARG002 - the port's signature
        """See `Access`."""
        return None

    async def refused(
        self,
        server: UpstreamServer,  # noqa: ARG002 - the port's signature
        token: str | None,  # noqa: ARG002
        response: httpx2.Response,  # noqa: ARG002
        *,
        again: bool,  # noqa: ARG002
    ) -> bool:
        """See `Access`."""
        return False

    def link(self, tenant: str, slug: str) -> str | None:  # noqa: ARG002 - the port's signature
        """See `Access`."""
        return None


class AccessTransport(httpx2.AsyncBaseTransport):
    """Adds the server's token to each request, and sends one once more when a refusal brought a better token.

    A refusal (401, 403) means that nothing was executed. Raises AuthorizationNeeded and AuthorizationFailed.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, access: Access, server: UpstreamServer) -> None:
        self._inner = inner
        self._access = access
        self._server = server

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        token, response = await self._send(request)
        again = False
        while response.status_code in {401, 403}:
            if not await self._refused(token, response, again=again) or again:
                return response
            await response.aclose()
            again = True
            token, response = await self._send(request)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _send(self, request: httpx2.Request) -> tuple[str | None, httpx2.Response]:
        token = await self._access.bearer(self._server)
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
        return token, await self._inner.handle_async_request(request)

    async def _refused(self, token: str | None, response: httpx2.Response, *, again: bool) -> bool:
        worked = False
        try:
            better = await self._access.refused(self._server, token, response, again=again)
            worked = True
            return better
        finally:
            if not worked:
                await response.aclose()


def has_own_authorization(server: UpstreamServer) -> bool:
    """Whether an operator gave the server an Authorization header: then OAuth stays out of it."""
    return any(name.lower() == "authorization" for name in server.launch.headers)
