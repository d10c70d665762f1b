"""`toolcrib call`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.api_client import ApiClient, path
from gateway.cli.connection import connect
from gateway.cli.output import Exit, out, print_json
from gateway.cli.shell import Shell, command


@command
async def call(
    tool: Annotated[str, typer.Argument(help="The tool's id, as search returns it.")],
    arguments: Annotated[str, typer.Option(help="The arguments as a JSON object.")] = "{}",
    session: Annotated[str | None, typer.Option(help="Count the call in this session.")] = None,
    timeout_s: Annotated[
        float | None, typer.Option("--timeout", help="Seconds to wait for the tool.", show_default="60")
    ] = None,
    *,
    shell: Shell,
) -> Exit:
    """Call a tool and print what it answers."""
    try:
        parsed = json.loads(arguments)
    except ValueError as error:
        raise typer.BadParameter(f"it is no JSON: {error}", param_hint="--arguments") from error
    if not isinstance(parsed, dict):
        raise typer.BadParameter("it must be an object that fits the tool's input schema", param_hint="--arguments")
    body = {"tool": tool, "arguments": parsed, "session_id": session, "timeout_s": timeout_s}
    async with connect(shell.settings) as api:
        answer = await api.post("/call", body)
        if (page := answer.get("page")) is not None:
            answer["result"]["content"][0]["text"] += await _other_pages(api, page)
    result = answer["result"]
    if shell.as_json:
        print_json(answer)
    else:
        for block in result.get("content") or []:
            text = block.get("text") if block.get("type") == "text" else json.dumps(block, ensure_ascii=False)
            out.print(text, markup=False, soft_wrap=True)
    return Exit.FAILED if result.get("isError") else Exit.DONE


async def _other_pages(api: ApiClient, page: Mapping[str, Any]) -> str:
    """What follows the first page of a large result; its handle may end with this command."""
    where, texts = path("results", page["handle"]), []
    while page["next"] is not None:
        page = await api.get(where, page=page["next"])
        texts.append(page["text"])
    return "".join(texts)
