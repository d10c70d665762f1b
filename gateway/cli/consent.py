"""Consent before running other people's commands: each exact command is shown, a person agrees, or --yes does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import typer

from domain.errors import Forbidden
from domain.servers import Transport
from gateway.cli.output import err
from servers.client_configs import ConfigEntry


def require_consent(entries: Sequence[ConfigEntry], *, yes: bool) -> None:
    """Show every command that would run on this machine. Raises Forbidden when nobody agrees."""
    commands = [entry for entry in entries if entry.launch.transport is Transport.STDIO]
    if not commands:
        return
    err.print("These commands will run on this machine, with your rights:")
    for entry in commands:
        names = f"   (with {', '.join(sorted(entry.launch.env))})" if entry.launch.env else ""
        note = f"   ({entry.note})" if entry.note else ""
        err.print(f"  {entry.title}: {shlex.join(entry.launch.command)}{names}{note}", markup=False, soft_wrap=True)
    if yes:
        return
    if not err.is_terminal:
        raise Forbidden("Nobody is here to agree to these commands; look at them, then repeat with --yes.")
    if not typer.confirm("Register them?", err=True):
        raise Forbidden("Nothing was registered.")
