"""HTTP with authorization servers: guarded addresses, no redirects, a deadline, small answers.

Refuses to know: what is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Self, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from domain.errors import AuthorizationFailed, UpstreamUnreachable
from domain.servers import UpstreamServer
from servers.egress import Egress, GuardedTransport, is_inside
from servers.limits import MIB
from servers.transports.tls import tls_context

_CAP = MIB
_SECONDS = 8.0  # within the connect deadline, which discovery may be part of

M = TypeVar("M", bound=BaseModel)


def egress_for(server: UpstreamServer) -> Egress:
    """Private addresses are for servers that were registered with one, or allowed to by an operator."""
    return Egress(allow_private=server.allow_private or is_inside(server.launch.url or ""))


class Fetcher:
    """Requests on behalf of one server. A context manager."""

    def __init__(self, server: UpstreamServer, egress: Egress) -> None:
        self.server = server
        self.egress = egress
        transport = GuardedTransport(httpx2.AsyncHTTPTransport(verify=tls_context()), egress)
        self._client = httpx2.AsyncClient(
            transport=transport, timeout=_SECONDS, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.__aexit__()

    async def send(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, read whole. Raises AuthorizationFailed for an address that is refused, does not answer, or
        answers too much.
        """
        where = f"{request.url.scheme}://{request.url.netloc.decode('ascii', 'replace')}{request.url.path}"
        try:
            return await self._read(request, where)
        except UpstreamUnreachable as error:  # of the guard
            raise self.failed(error.message) from error
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            detail = str(error) or type(error).__name__
            raise ServerSilent(f"{self._who} cannot be authorized: {where} does not answer ({detail}).") from error

    async def get_object(self, url: str) -> Mapping[str, Any] | None:
        """The JSON object there, or None when there is none (not found, a web page). Raises AuthorizationFailed."""
        try:
            request = httpx2.Request("GET", url, headers={"Accept": "application/json"})
        except httpx2.InvalidURL as error:
            raise self.failed(f"it names an address that is none ({error}).") from error
        response = await self.send(request)
        if is_passing(response):
            raise ServerSilent(f"{self._who} cannot be authorized: {url} answered HTTP {response.status_code}.")
        if response.status_code != HTTPStatus.OK:
            return None
        try:
            found = json.loads(response.content)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def require_url(self, url: str) -> None:
        """Raises AuthorizationFailed for an address that is none, or that the guard refuses by its form."""
        try:
            self.egress.check_url(httpx2.URL(url))
        except httpx2.InvalidURL as error:
            raise self.failed(f"it names an address that is none ({error}).") from error
        except UpstreamUnreachable as error:
            raise self.failed(error.message) from error

    def failed(self, why: str) -> AuthorizationFailed:
        return AuthorizationFailed(f"{self._who} cannot be authorized: {why}")

    @property
    def _who(self) -> str:
        return f"Server {self.server.slug!r}"

    async def _read(self, request: httpx2.Request, where: str) -> httpx2.Response:
        response = await self._client.send(request, stream=True)
        body = bytearray()
        try:
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _CAP:
                    raise self.failed(f"{where} answers with more than {_CAP // MIB} MiB.")
        finally:
            await response.aclose()
        return httpx2.Response(
            response.status_code, headers={"content-type": "application/json"}, content=bytes(body), request=request
        )


def is_passing(response: httpx2.Response) -> bool:
    """Whether the server may well say something else later."""
    return response.is_server_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS


class ServerSilent(AuthorizationFailed):
    """The authorization server does not answer; what is known of it stays as it is."""


def parsed(model: type[M], found: Mapping[str, Any], fetcher: Fetcher, what: str) -> M:
    """`found` as the model. Raises AuthorizationFailed that names the fields and hides their values."""
    try:
        return model.model_validate(found)
    except ValidationError as error:
        fields = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        raise fetcher.failed(f"{what} is not valid in {', '.join(fields) or 'its form'}; report it there.") from None
