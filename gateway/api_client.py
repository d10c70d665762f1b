"""Speaks `/api/v1` to a gateway: over the network, or to one opened in this process (same routes, no socket)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote

import httpx2

from domain.error_codes import error_for
from domain.errors import InvalidInput, ToolcribError, ToolRemoved, UpstreamRefused

_TIMEOUT = httpx2.Timeout(600.0, connect=5.0)


class GatewayGone(ToolcribError):
    """The gateway does not answer; start it with `toolcrib serve`."""

    code = "gateway_gone"
    http_status = 503

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent  # whether the request may have reached it


class ApiClient:
    """Requests in, JSON out; problem details come back as the error they were."""

    def __init__(self, base_url: str, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.base_url = base_url
        self._http = httpx2.AsyncClient(
            base_url=f"{base_url}/api/v1", transport=transport, timeout=_TIMEOUT, trust_env=False
        )

    async def get(self, path: str, **params: str | int | None) -> Any:
        return await self._send("GET", path, params={k: v for k, v in params.items() if v is not None})

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return await self._send("POST", path, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._send("PATCH", path, body)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._send("PUT", path, body)

    async def delete(self, path: str) -> Any:
        return await self._send("DELETE", path)

    async def lines(self, path: str, **params: int) -> AsyncIterator[str]:
        """The lines of a long answer, as they come."""
        try:
            async with self._http.stream("GET", path, params=params) as response:
                if not response.is_success:
                    await response.aread()
                    raise _problem(response)
                async for line in response.aiter_lines():
                    yield line
        except httpx2.TransportError as error:
            message = f"The gateway at {self.base_url} does not answer; start it with `toolcrib serve`."
            raise GatewayGone(message, sent=True) from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
        # ASCII JSON: whatever a terminal passed on, also what is no UTF-8, arrives and is judged at the other end.
        content = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            response = await self._http.request(method, path, content=content, headers=headers, **kwargs)
        except httpx2.TransportError as error:
            sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            message = f"The gateway at {self.base_url} does not answer; start it with `toolcrib serve`."
            raise GatewayGone(message, sent=sent) from error
        if response.is_success:
            return response.json() if response.content else None
        raise _problem(response)


def path(*segments: str) -> str:
    """A path below `/api/v1` whose segments are names, not routes. Raises InvalidInput for what cannot be a name."""
    for segment in segments:
        if segment in {"", ".", ".."} or not segment.isprintable():
            raise InvalidInput(f"{segment!r} is no name.")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _problem(response: httpx2.Response) -> ToolcribError:
    try:
        body = cast("Mapping[str, Any]", response.json())
    except ValueError:
        return ToolcribError(f"The gateway answered {response.status_code} without saying why.")
    detail = str(body.get("detail", f"The gateway answered {response.status_code}."))
    if "rpc_code" in body:
        return UpstreamRefused(detail, rpc_code=int(body["rpc_code"]), data=body.get("rpc_data"))
    error = error_for(str(body.get("code", "")), detail, body.get("retry_after_s"))
    if isinstance(error, ToolRemoved):
        error.successor = body.get("successor")
    return error
