"""Header values without the blanks around them (RFC 9110, 5.5), which the SDK compares."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class PlainHeaders:
    """An endpoint in front of `app`, the SDK's."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(without_blanks(scope), receive, send)


def without_blanks(scope: Scope) -> Scope:
    """The request with the values of MCP's own headers trimmed."""
    headers = [(name, value.strip(b" \t") if name.startswith(b"mcp-") else value) for name, value in scope["headers"]]
    return {**scope, "headers": headers}
