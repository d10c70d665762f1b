"""`toolcrib doctor`: what is configured, reachable, stale, unsafe; what to do about it."""

from __future__ import annotations

import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from domain.errors import ToolcribError
from domain.servers import ServerStatus
from gateway.api_client import path
from gateway.cli.connection import connect
from gateway.cli.doctor_models import model_findings
from gateway.cli.findings import Finding, Verdict
from gateway.cli.output import Exit, out, print_json, table
from gateway.cli.shell import Shell, command
from gateway.data_folder import read_owner
from gateway.settings import Settings
from store.keyring import KEY_FILE

_LOW_DISK = 1 << 30
_STALE_AFTER_POLLS = 3


@command
async def doctor(shell: Shell) -> Exit:
    """Look at everything this Toolcrib needs and say what is wrong and what to do."""
    settings = shell.settings
    findings = [*_folder(settings)]
    try:
        async with connect(settings) as api:
            servers = (await api.get("/servers"))["servers"]
            models = await api.get("/models", probe="true")
            details = [await api.get(path("servers", server["server"])) for server in servers]
        findings.append(Finding("gateway", "ok", "answers"))
        findings += model_findings(models)
        findings += [_server(server, settings) for server in details]
        if not servers:
            findings.append(Finding("servers", "warning", "none registered: toolcrib servers import mcp.json"))
    except ToolcribError as error:
        findings.append(Finding("gateway", "problem", error.message))
    if shell.as_json:
        print_json({"findings": [asdict(finding) for finding in findings]})
    else:
        out.print(table("", "what", "", rows=[(_MARK[f.verdict], f.what, f.detail) for f in findings]))
    return Exit.FAILED if any(finding.verdict == "problem" for finding in findings) else Exit.DONE


_MARK: dict[Verdict, str] = {"ok": "✓", "warning": "!", "problem": "✗"}


def _folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data
    owner = read_owner(folder)
    if owner is not None:
        yield Finding("owner", "ok", f"process {owner.pid}" + (f" at {owner.url}" if owner.url else ""))
    else:
        yield Finding("owner", "ok", "no gateway runs on this folder; this command opened it")
    if not folder.exists():
        yield Finding("data folder", "ok", f"{folder} will be made at first use")
        return
    if folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding("data folder", "warning", f"others may read {folder}: chmod 700 it")
    else:
        yield Finding("data folder", "ok", str(folder))
    yield from _keys(settings)
    free = shutil.disk_usage(folder).free
    enough: Verdict = "ok" if free > _LOW_DISK else "warning"
    yield Finding("disk", enough, f"{free / (1 << 30):.1f} GiB free" + ("" if enough == "ok" else ": make room"))


def _keys(settings: Settings) -> Iterator[Finding]:
    """The keys of the credentials, where they are a file."""
    if settings.secrets_key is not None:
        yield Finding("secrets", "ok", "sealed with TOOLCRIB_SECRETS_KEY")
        return
    path = settings.secrets_key_file or settings.data / KEY_FILE
    if not path.exists():
        yield Finding("secrets", "ok", f"the key file {path} is made with the first credential")
    elif path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(
            "secrets", "warning", f"others may read {path}: chmod 600 it, then renew it with toolcrib secrets rotate"
        )
    else:
        yield Finding("secrets", "ok", f"sealed with {path}: keep a copy elsewhere; toolcrib secrets rotate renews it")


def _broken(server: dict[str, Any]) -> str | None:
    """What keeps a server from working, and what to do."""
    if server["status"] == ServerStatus.NEEDS_AUTHORIZATION:
        link = server["authorize_url"]
        return f"needs your authorization: {f'open {link}' if link else 'start toolcrib serve, then look again'}"
    error: str | None = server["error"]
    return error


def _server(server: dict[str, Any], settings: Settings) -> Finding:
    name = f"server {server['server']}"
    if not server["enabled"]:
        return Finding(name, "warning", f"disabled: toolcrib servers enable {server['server']}")
    if (broken := _broken(server)) is not None:
        return Finding(name, "problem", broken)
    if (stale := _stale(server, settings)) is not None:
        return Finding(name, "warning", f"{stale}: toolcrib sync {server['server']}")
    if server["waiting"] or server["launch_waiting"]:
        what = f"{server['waiting']} changed tools wait" if server["waiting"] else "another launch waits"
        return Finding(name, "warning", f"{what} for a review: toolcrib servers review {server['server']}")
    if server["headers"] and server["launch"].startswith("http://") and "127.0.0.1" not in server["launch"]:
        return Finding(name, "warning", "its headers travel unencrypted: use https")
    return Finding(name, "ok", f"{server['tools']} tools")


def _stale(server: dict[str, Any], settings: Settings) -> str | None:
    """Why what is known of a server may be old."""
    if server["last_verified"] is None:
        return "never synced"
    age = time.time() - server["last_verified"]
    return f"last verified {age / 60:.0f} min ago" if age > _STALE_AFTER_POLLS * settings.poll_s else None
