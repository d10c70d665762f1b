"""The client: a gateway, and sessions on it. One request per method; nothing is retried that may have had an effect."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import httpx2

from toolcrib_client.answers import Change, Found, Memory, Result, Turn
from toolcrib_client.errors import ToolcribError

Form = Literal["mcp", "openai", "openai-responses", "anthropic"]
Mode = Literal["autonomous", "workflow", "hybrid", "lru", "cache_aware", "passthrough"]
Message = str | Mapping[str, Any]
"""A text, or a message with `content` as OpenAI and Anthropic write them."""

SEARCH_TOOLS, REMOVE_TOOLS = "search_tools", "remove_tools"
_TIMEOUT_S = 600.0
_CONNECT_S = 5.0


class Toolcrib:
    """A running gateway. Every method raises ToolcribError."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8420",
        *,
        headers: Mapping[str, str] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`headers` go with every request: a key, where a proxy asks for one."""
        self._url = url.rstrip("/")
        self._http = httpx2.AsyncClient(
            base_url=f"{self._url}/api/v1",
            headers=dict(headers or {}),
            transport=transport,
            timeout=httpx2.Timeout(_TIMEOUT_S, connect=_CONNECT_S),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def search(self, *queries: str, k: int | None = None) -> list[Found]:
        """Every tool found, once, in order of first appearance; no session remembers them."""
        return _found(await self.request("POST", "/search", {"queries": list(queries), "k": k}))

    async def call(
        self, tool: str, arguments: Mapping[str, Any] | None = None, *, timeout_s: float | None = None
    ) -> Result:
        """A tool's own failure comes back as a result that is an error, not as an exception."""
        body = {"tool": tool, "arguments": dict(arguments or {}), "timeout_s": timeout_s}
        return Result.of((await self.request("POST", "/call", body))["result"])

    async def open(self, mode: Mode | None = None, **options: Any) -> Session:
        """A new session. `options` as `POST /api/v1/sessions` takes them: max_tools, max_tokens, idle_turns ..."""
        body = await self.request("POST", "/sessions", {"mode": mode, **options})
        return Session(self, body["id"])

    def session(self, handle: str) -> Session:
        """One that was opened before, by anybody who is the same principal; nothing is asked yet."""
        return Session(self, handle)

    async def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What the API answers, as JSON; None for no content. `path` is below `/api/v1`."""
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            response = await self._http.request(method, path, content=content, headers=headers)
        except httpx2.TransportError as error:
            raise ToolcribError(f"Toolcrib at {self._url} does not answer; is it running?", "unreachable") from error
        if not response.is_success:
            raise _problem(response)
        return response.json() if response.content else None


class Session:
    """One agent's session with its tool memory. `handle` finds it again after a restart of either side."""

    def __init__(self, crib: Toolcrib, handle: str) -> None:
        self._crib = crib
        self.handle = handle
        self._path = f"/sessions/{quote(handle, safe='')}"

    async def turn(
        self,
        messages: Sequence[Message],
        *,
        format: Form = "mcp",  # noqa: A002 - the API's own word for it
        defer: bool = False,
        k: int | None = None,
    ) -> Turn:
        """Begin a turn: prune, search where the mode does, and get the tools to bind. The newest message comes last."""
        body = {"messages": list(messages), "format": format, "defer": defer, "k": k}
        return Turn.of(await self._crib.request("POST", f"{self._path}/turns", body))

    async def tools(self, *, format: Form = "mcp", defer: bool = False) -> list[dict[str, Any]]:  # noqa: A002 - as above
        """What to bind now, without a new turn: after a search that the model asked for."""
        path = f"{self._path}/tools?format={format}&defer={str(defer).lower()}"
        tools: list[dict[str, Any]] = (await self._crib.request("GET", path))["tools"]
        return tools

    async def run(self, name: str, arguments: Mapping[str, Any] | None = None) -> Result:
        """Do what a model asked for by this name, which may be one of Toolcrib's own; its text is for the model."""
        given = dict(arguments or {})
        if name == SEARCH_TOOLS:
            found = await self.search(*given.get("queries", ()))
            return Result(json.dumps([tool.definition for tool in found], ensure_ascii=False))
        if name == REMOVE_TOOLS:
            return Result(str(await self.edit(remove=given.get("names", ()))))
        return await self.call(name, given)

    async def search(self, *queries: str, k: int | None = None) -> list[Found]:
        """Every tool found, once; the session holds them from now on."""
        body = {"queries": list(queries), "k": k, "session_id": self.handle}
        return _found(await self._crib.request("POST", "/search", body))

    async def call(
        self, tool: str, arguments: Mapping[str, Any] | None = None, *, timeout_s: float | None = None
    ) -> Result:
        """As `Toolcrib.call`, counted as a use; a tool that had left the memory is held again."""
        body = {"tool": tool, "arguments": dict(arguments or {}), "timeout_s": timeout_s, "session_id": self.handle}
        return Result.of((await self._crib.request("POST", "/call", body))["result"])

    async def edit(
        self,
        *,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
        pin: Sequence[str] = (),
        unpin: Sequence[str] = (),
    ) -> Change:
        """By exact names. What left comes back by `add`, without a search; a pinned tool stays until it is unpinned."""
        body = {"add": list(add), "remove": list(remove), "pin": list(pin), "unpin": list(unpin)}
        return Change.of(await self._crib.request("POST", f"{self._path}/memory", body))

    async def memory(self) -> Memory:
        return Memory.of(await self._crib.request("GET", f"{self._path}/memory"))

    async def forget(self) -> None:
        """Delete the session with its memory."""
        await self._crib.request("DELETE", self._path)


def _found(body: Mapping[str, Any]) -> list[Found]:
    candidates = (candidate for result in body["results"] for candidate in result["candidates"])
    return list({found.name: found for found in map(Found.of, candidates)}.values())


def _problem(response: httpx2.Response) -> ToolcribError:
    try:
        body = response.json()
    except ValueError:
        body = {}
    message = body.get("detail") or f"Toolcrib answered {response.status_code} without saying why."
    code = body.get("code", "http_error")
    return ToolcribError(str(message), str(code), response.status_code, body.get("retry_after_s"))
