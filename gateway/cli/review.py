"""`toolcrib servers review|approve|reject|pin|unpin|relaunch`: looking at what changed, and deciding about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from domain.errors import InvalidInput, ReviewNotFound
from domain.scan import revealed
from domain.servers import ReviewPolicy
from gateway.api_client import ApiClient, path
from gateway.cli.connection import connect
from gateway.cli.consent import require_consent
from gateway.cli.output import Exit, out, print_json
from gateway.cli.registering import Reach, launch_body
from gateway.cli.shell import Shell, asking_command, command
from servers.client_configs import ConfigEntry

Name = Annotated[str, typer.Argument(help="The server's name.")]
Tools = Annotated[
    list[str] | None, typer.Argument(help="Tools, or ids as `review` shows them; all that wait when none is named.")
]
_MARKS = {"added": "+", "removed": "-", "changed": "~"}
_MOST_SHOWN = 400  # characters of one value


@command
async def review(
    name: Annotated[str | None, typer.Argument(help="The server's name; all servers when none is given.")] = None,
    *,
    policy: Annotated[
        ReviewPolicy | None, typer.Option(help="Which changes wait from now on: sets the server's policy.")
    ] = None,
    rejected: Annotated[bool, typer.Option("--rejected", help="Show what was rejected instead.")] = False,
    shell: Shell,
) -> None:
    """What changed and waits, field by field, with warnings; `--policy` sets what waits."""
    if policy is not None and name is None:
        raise InvalidInput("A policy belongs to one server; name it.")
    async with connect(shell.settings) as api:
        if policy is not None and name is not None:
            await api.patch(path("servers", name), {"review": policy.value})
        found = await _reviews(api, name, "rejected" if rejected else "waiting")
    if shell.as_json:
        print_json({"reviews": found})
        return
    if policy is not None:
        out.print(f"Policy of {name} is {policy.value}.", markup=False)
    if not found:
        out.print("Nothing was rejected." if rejected else "Nothing waits for a review.")
    for one in found:
        for line in _lines(one):
            out.print(line, markup=False, soft_wrap=True)


@command
async def approve(name: Name, tools: Tools = None, *, shell: Shell) -> None:
    """Serve what waits from now on: all of it, or the tools (or ids) named."""
    await _decide(shell, name, tools or (), "approve")


@command
async def reject(name: Name, tools: Tools = None, *, shell: Shell) -> None:
    """Go on serving the approved versions, and do not ask again until the server lists others."""
    await _decide(shell, name, tools or (), "reject")


@command
async def pin(name: Name, tools: Tools = None, *, shell: Shell) -> None:
    """Keep tools at the version that is served, whatever the policy: those named, or all of the server."""
    await _pin(shell, name, tools or (), pinned=True)


@command
async def unpin(name: Name, tools: Tools = None, *, shell: Shell) -> None:
    """Let tools follow their server again, from the next sync on."""
    await _pin(shell, name, tools or (), pinned=False)


@asking_command
async def relaunch(
    name: Name,
    command: Annotated[list[str] | None, typer.Argument(help="After `--`: the command and its arguments.")] = None,
    *,
    reach: Reach,
    shell: Shell,
) -> Exit:
    """Reach a registered server otherwise; where its policy holds changes, this one waits as well."""
    launch = reach.launch(command)
    require_consent([ConfigEntry(name, launch, enabled=True)], yes=shell.yes)
    async with connect(shell.settings) as api:
        server = await api.patch(path("servers", name), {"launch": launch_body(launch), "consent": True})
    if shell.as_json:
        print_json(server)
    elif server["launch_waiting"]:
        out.print(f"This waits for a review: toolcrib servers review {server['server']}", markup=False)
    else:
        out.print(f"{server['server']} is reached by: {server['launch']}", markup=False, soft_wrap=True)
    return Exit.DONE


async def _decide(shell: Shell, name: str, tools: Sequence[str], decision: str) -> None:
    async with connect(shell.settings) as api:
        found = await _reviews(api, name, "waiting")
        ids = _chosen(found, tools)
        if not ids:
            raise ReviewNotFound(f"Nothing of {name!r} waits for a review.")
        decided = (await api.post("/reviews", {"decision": decision, "ids": ids}))["decided"]
    if shell.as_json:
        print_json({"decided": decided})
        return
    done = "approved and served from now on" if decision == "approve" else "rejected; the approved version stays"
    for one in decided:
        out.print(f"{one['tool_id'] or 'launch'}: {done}", markup=False, soft_wrap=True)


async def _pin(shell: Shell, name: str, tools: Sequence[str], *, pinned: bool) -> None:
    async with connect(shell.settings) as api:
        server = (await api.get(path("servers", name)))["server"]
        known = await _tools_of(api, server)
        chosen = [_tool_id(known, tool) for tool in tools] or list(known.values())
        for tool_id in chosen:
            await api.patch(path("tools", tool_id), {"pinned": pinned})
    if shell.as_json:
        print_json({"pinned" if pinned else "unpinned": chosen})
    else:
        state = "pinned to the served version" if pinned else "not pinned any more"
        out.print(f"{len(chosen)} tools of {server} are {state}.", markup=False)


async def _tools_of(api: ApiClient, server: str) -> dict[str, str]:
    """Tool id and upstream name -> tool id, of the active tools."""
    known: dict[str, str] = {}
    after: str | None = ""
    while after is not None:
        page = await api.get("/tools", server=server, state="active", after=after, limit=1000)
        known |= {tool["name"]: tool["tool_id"] for tool in page["tools"]}
        after = page["next"]
    return known


def _tool_id(known: dict[str, str], tool: str) -> str:
    if tool in known.values():
        return tool
    if tool in known:
        return known[tool]
    raise InvalidInput(f"{tool[:80]!r} is no tool of this server; `toolcrib servers review` and `search` show names.")


async def _reviews(api: ApiClient, name: str | None, status: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get("/reviews", server=name, status=status))["reviews"]
    return found


def _chosen(found: Sequence[dict[str, Any]], tools: Sequence[str]) -> list[str]:
    """Ids by tool id, upstream name, id or its beginning; `launch` names the launch. Raises InvalidInput."""
    if not tools:
        return [one["id"] for one in found]
    ids = []
    for tool in tools:
        matching = [
            one["id"]
            for one in found
            if tool in {one["tool_id"], one.get("name"), one["id"], one["kind"] if one["kind"] == "launch" else None}
            or (len(tool) >= 8 and one["id"].startswith(tool))  # noqa: PLR2004 - as much as `review` shows
        ]
        if not matching:
            raise InvalidInput(f"Nothing of {tool[:80]!r} waits for a review; nothing was decided.")
        ids += matching
    return list(dict.fromkeys(ids))


def _lines(one: dict[str, Any]) -> list[str]:
    what = one["tool_id"] or f"launch of {one['server']}"
    lines = [f"{what}  {one['kind']}, held by {one['reason']}, id {one['id'][:8]}"]
    if one.get("renamed_from"):
        lines.append(f"  looks like {one['renamed_from']} under another name")
    lines += [f"  ! {warning['danger']} in {warning['where']}: {warning['what']}" for warning in one["warnings"]]
    for change in one["changes"]:
        lines.append(f"  {_MARKS[change['kind']]} {revealed(change['path']) or 'the whole tool'}")
        lines += [f"      {side}: {_value(change[side])}" for side in ("before", "after") if side in change]
    return [*lines, ""]


def _value(value: object) -> str:
    text = revealed(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} … ({len(text):,} characters; --json has all)"
