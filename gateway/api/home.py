"""`/`: what this Toolcrib is and what stands behind it. The admin web app will grow from here."""

from __future__ import annotations

import html
from collections.abc import Sequence

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from gateway.api.dependencies import Caller, Crib
from gateway.use_cases.servers import ServerView

router = APIRouter(include_in_schema=False)

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'"
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: 0 } p { margin: .3rem 0 1.2rem } code { font-size: .92em }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .8rem .35rem 0 }
tr { border-bottom: 1px solid color-mix(in srgb, currentColor 18%, transparent) }
td.n { text-align: right; font-variant-numeric: tabular-nums } .failed { color: #c0392b }
"""


@router.get("/")
async def home(request: Request, crib: Crib, caller: Caller) -> HTMLResponse:
    views = await crib.servers.listing(caller)
    base = str(request.base_url).rstrip("/")
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Toolcrib</title><style>{_STYLE}</style>
<h1>Toolcrib</h1>
<p>{sum(view.tools for view in views):,} tools of {len(views)} servers behind one address.</p>
<table><tr><th>MCP</th><td><code>{html.escape(base)}/mcp</code></td></tr>
<tr><th>HTTP API</th><td><code>{html.escape(base)}/api/v1</code> (<code>/api/openapi.json</code>)</td></tr></table>
<h2>Servers</h2>{_servers(views)}</html>"""
    return HTMLResponse(page, headers={"Content-Security-Policy": _POLICY})


def _servers(views: Sequence[ServerView]) -> str:
    if not views:
        return "<p>None yet: <code>toolcrib servers import mcp.json</code></p>"
    rows = "".join(
        f"<tr><td>{html.escape(view.server.title)}</td><td><code>{html.escape(view.server.launch.display)}</code></td>"
        f"<td class=n>{view.tools}</td><td{' class=failed' if view.health.error else ''}>"
        f"{html.escape(view.health.error or view.health.status)}</td></tr>"
        for view in views
    )
    return f"<table><tr><th>Name</th><th>Reached by</th><th>Tools</th><th>State</th></tr>{rows}</table>"
