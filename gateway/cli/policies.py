"""`toolcrib rl promote`, `rollback` and `status`: a tenant's policy, as the gateway has it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import InvalidInput
from domain.policy_moves import PolicyMode
from gateway.cli.connection import connect
from gateway.cli.output import out, print_json, table
from gateway.cli.shell import Shell, command
from policy_client.artefact import MANIFEST, MODEL, TOKENIZER, kind_of, verified


@command
async def promote(
    policy: Annotated[str, typer.Argument(help="Folder of `toolcrib rl train`, or the version of a kept policy.")],
    mode: Annotated[PolicyMode, typer.Option(help="shadow, canary or live.")] = PolicyMode.SHADOW,
    share: Annotated[float, typer.Option(help="Share of the sessions in the mode canary.")] = 0.1,
    *,
    shell: Shell,
) -> None:
    """Let a policy look on, or decide, if the gate lets it through; what it replaces can be brought back."""
    body = {"mode": mode.value, "share": share, **_named(policy)}
    async with connect(shell.settings) as api:
        _show(await api.post("/policy/promote", body), as_json=shell.as_json)


@command
async def rollback(reason: Annotated[str, typer.Option(help="Why, for the history.")] = "", *, shell: Shell) -> None:
    """Bring back what was in force before the promoted policy."""
    async with connect(shell.settings) as api:
        _show(await api.post("/policy/rollback", {"reason": reason}), as_json=shell.as_json)


@command
async def status(shell: Shell) -> None:
    """Which policy decides, in which mode, on what evidence, and how it came about."""
    async with connect(shell.settings) as api:
        found = await api.get("/policy")
    if shell.as_json:
        print_json(found)
        return
    out.print(f"{_state(found)} Kept: {', '.join(found['versions']) or 'none'}.", markup=False)
    if found["failure"]:
        out.print(f"It does not decide here: {found['failure']}", markup=False)
    rows = [[one["number"], one["kind"], _state(one), one["reason"]] for one in found["history"]]
    out.print(table("move", "what", "then in force", "why", rows=rows))


def _named(policy: str) -> dict[str, Any]:
    folder = Path(policy).expanduser()
    return {"files": _files(folder)} if folder.is_dir() else {"version": policy}


def _files(folder: Path) -> dict[str, str]:
    """Base64 by name. Raises InvalidInput for what is no whole policy of this version."""
    verified(folder, kind_of(folder))
    names = [name for name in (MANIFEST, MODEL, TOKENIZER) if (folder / name).is_file()]
    try:
        return {name: base64.b64encode((folder / name).read_bytes()).decode() for name in names}
    except OSError as error:
        raise InvalidInput(f"The policy in {folder} cannot be read ({error.strerror}).") from error


def _show(move: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(move)
        return
    out.print(_state(move), markup=False)
    estimates = move["evidence"].get("estimates")
    if estimates:
        rows = [[name, *(f"{one[part]:.3f}" for part in ("value", "low", "high"))] for name, one in estimates.items()]
        out.print(table("estimate", "value", "low", "high", rows=rows))


def _state(state: Mapping[str, Any]) -> str:
    share = f" in {state['share']:.0%} of the sessions" if state["mode"] == PolicyMode.CANARY else ""
    if state["version"]:
        return f"{state['version']} is {state['mode']}{share}."
    return "What the settings say is in force."
