"""`toolcrib search`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.connection import connect
from gateway.cli.output import err, first_line, out, print_json, table
from gateway.cli.shell import Shell, command


@command
async def search(
    query: Annotated[list[str], typer.Argument(help="What the tool should do, or its name.")],
    k: Annotated[int | None, typer.Option(help="Tools to return.", show_default="3 to 8", min=1, max=100)] = None,
    session: Annotated[str | None, typer.Option(help="Put the answer into this session's tool memory.")] = None,
    profile: Annotated[str | None, typer.Option(help="hybrid, plain, dense, bm25 ...", show_default="hybrid")] = None,
    *,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show scores per stage, filters and the nearest losers.")
    ] = False,
    shell: Shell,
) -> None:
    """Find tools by what they should do."""
    body = {"queries": [" ".join(query)], "k": k, "session_id": session, "profile": profile, "explain": explain}
    async with connect(shell.settings) as api:
        answer = await api.post("/search", body)
    if shell.as_json:
        print_json(answer)
        return
    for result in answer["results"]:
        rows = [
            (f"{found['score']:.3f}", found["tool_id"], first_line(found["definition"].get("description")))
            for found in result["candidates"]
        ]
        if not rows:
            out.print("Nothing fits.")
        elif result["abstained"]:
            servers = ", ".join(dict.fromkeys(found["server"] for found in result["candidates"]))
            out.print(f"Nothing fits well. The nearest are of {servers}:")
        out.print(table("score", "tool", "what it does", rows=rows))
        if result["degraded"]:
            err.print(f"degraded: {', '.join(result['degraded'])} did not answer")
        if body["explain"]:
            _explain(result)


def _explain(result: dict[str, Any]) -> None:
    stages = sorted({name for found in result["candidates"] for name in found["stages"]})
    rows = [
        (found["tool_id"], *(f"{found['stages'][name]:.3f}" if name in found["stages"] else "" for name in stages))
        for found in [*result["candidates"], *result["nearest"]]
    ]
    out.print()
    out.print(table("tool", *stages, rows=rows, right=stages))
    if result["confidence"] is not None:
        out.print(f"profile {result['profile']}, confidence that something fits {result['confidence']:.2f}")
    filters = result["filters"]
    left_out = f"; found but not served: {', '.join(filters['left_out'])}" if filters["left_out"] else ""
    servers = ", ".join(filters["servers"]) or "all servers"
    out.print(f"filters: tenant {filters['tenant']}, {filters['state']} tools of {servers}{left_out}")
    out.print("  ".join(f"{name} {value:.1f} ms" for name, value in result["timings_ms"].items()))
