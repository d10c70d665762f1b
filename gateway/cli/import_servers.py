"""`toolcrib servers import`: registers what other clients' files and the registry's `server.json` name."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.errors import InvalidInput
from domain.names import slug_for
from domain.servers import Launch, Transport
from gateway.cli.connection import connect
from gateway.cli.consent import require_consent
from gateway.cli.output import Exit, err, out, print_json, table
from gateway.cli.registering import key_values, register
from gateway.cli.shell import Shell, asking_command
from gateway.data_folder import read_owner
from servers.client_configs import ClientConfig, ConfigEntry, parse_client_config

_FILES = "mcp.json of Claude, Cursor, VS Code or Windsurf; TOML of Codex; server.json of the registry."
_SET = "NAME=VALUE: a value that a file asks for; repeatable. A server.json sees these only, never the environment."


@dataclass(frozen=True, slots=True)
class Plan:
    """What importing one entry would do. `taken` says why it would be refused."""

    entry: ConfigEntry
    slug: str
    taken: str | None


@asking_command
async def import_files(
    files: Annotated[list[Path], typer.Argument(help=_FILES)],
    *,
    values: Annotated[list[str] | None, typer.Option("--set", help=_SET)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen, and change nothing.")] = False,
    shell: Shell,
) -> Exit:
    """Register every server that the files name, after showing each exact command."""
    config = _read(files, key_values(values, "--set"))
    if dry_run:
        return _show(shell, await _plans(shell, config.entries), config.problems)
    for problem in config.problems:
        err.print(f"left out: {problem}", markup=False, soft_wrap=True)
    if not config.entries:
        raise InvalidInput(f"{_named(files)} names no server that can be used; nothing was registered.")
    require_consent(config.entries, yes=shell.yes)
    return await register(shell, config.entries, config.problems)


def _read(files: Sequence[Path], values: dict[str, str]) -> ClientConfig:
    entries: list[ConfigEntry] = []
    problems: list[str] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file} cannot be read: {error}.") from error
        config = parse_client_config(text, file.name, os.environ, values)
        entries += config.entries
        problems += config.problems
    return ClientConfig(tuple(entries), tuple(problems))


async def _plans(shell: Shell, entries: Sequence[ConfigEntry]) -> list[Plan]:
    """As registration would go, one after the other."""
    slugs, titles = await _registered(shell)
    plans = []
    for entry in entries:
        taken = f"a server named {entry.title!r} is registered already" if entry.title in titles else None
        slug = slug_for(entry.title, slugs)
        plans.append(Plan(entry, slug, taken))
        if taken is None:
            slugs.add(slug)
            titles.add(entry.title)
    return plans


async def _registered(shell: Shell) -> tuple[set[str], set[str]]:
    """Slugs and titles that are taken. A database that is not there yet has none, and is not made for a look."""
    settings = shell.settings
    elsewhere = settings.url or settings.database_url or read_owner(settings.data)
    if not elsewhere and not settings.database_file.exists():
        return set(), set()
    async with connect(shell.settings) as api:
        servers = (await api.get("/servers"))["servers"]
    return {server["server"] for server in servers}, {server["title"] for server in servers}


def _show(shell: Shell, plans: Sequence[Plan], problems: Sequence[str]) -> Exit:
    if shell.as_json:
        print_json({"servers": [_plan_json(plan) for plan in plans], "problems": list(problems)})
    else:
        rows = [(plan.slug, _fate(plan), _exact(plan.entry.launch), _details(plan.entry)) for plan in plans]
        out.print(table("server", "would be", "reached by", "", rows=rows))
        for problem in problems:
            err.print(f"left out: {problem}", markup=False, soft_wrap=True)
        out.print("Nothing was changed.")
    bad = len(problems) + sum(1 for plan in plans if plan.taken)
    return Exit.DONE if not bad else Exit.PARTLY if len(plans) > sum(1 for p in plans if p.taken) else Exit.FAILED


def _plan_json(plan: Plan) -> dict[str, Any]:
    launch = plan.entry.launch
    return {
        "server": plan.slug,
        "title": plan.entry.title,
        "transport": launch.transport,
        "command": list(launch.command),
        "url": None if launch.transport is Transport.STDIO else launch.display,
        "env": sorted(launch.env),
        "headers": sorted(launch.headers),
        "enabled": plan.entry.enabled,
        "taken": plan.taken,
        "note": plan.entry.note,
    }


def _fate(plan: Plan) -> str:
    if plan.taken:
        return f"refused: {plan.taken}"
    return "registered" if plan.entry.enabled else "registered, disabled"


def _exact(launch: Launch) -> str:
    return shlex.join(launch.command) if launch.transport is Transport.STDIO else launch.display


def _details(entry: ConfigEntry) -> str:
    names = sorted([*entry.launch.env, *entry.launch.headers])
    return "; ".join(filter(None, (f"with {', '.join(names)}" if names else "", entry.note)))


def _named(files: Sequence[Path]) -> str:
    return ", ".join(str(file) for file in files)
