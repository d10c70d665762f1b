"""`/oauth`: where people begin to authorize an upstream server, and where its authorization server sends them back.

Pages for browsers, not part of the API. Nothing an authorization server says is shown unescaped, or at all in a log.
"""

from __future__ import annotations

import html

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from domain.errors import ToolcribError
from gateway.api.dependencies import Caller, Crib

router = APIRouter(prefix="/oauth", include_in_schema=False)

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the callback's own address holds the code
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Frame-Options": "DENY",
}


@router.get("/authorize/{server}")
async def authorize(server: str, crib: Crib, caller: Caller) -> Response:
    """On to the authorization server, as the person this browser belongs to."""
    try:
        url = await crib.credentials.authorize(caller, server)
    except ToolcribError as error:
        return _page("Not authorized", error.message, error.http_status)
    return RedirectResponse(url, status_code=302, headers=_HEADERS)


@router.get("/callback")
async def callback(request: Request, crib: Crib, caller: Caller) -> Response:
    """Back from the authorization server, with a code or a refusal."""
    try:
        server = await crib.credentials.authorized(caller, dict(request.query_params))
    except ToolcribError as error:
        return _page("Not authorized", error.message, error.http_status)
    return _page("Authorized", f"Toolcrib may use {server.title} now. You can close this page.", 200)


def _page(title: str, text: str, status: int) -> HTMLResponse:
    body = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Toolcrib: {html.escape(title)}</title>"
        "<body style='font: 1rem/1.5 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem'>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></body></html>"
    )
    return HTMLResponse(body, status, _HEADERS)
