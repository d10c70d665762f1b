"""What `servers add` and `servers import` share: registering and syncing, and options written KEY=VALUE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from domain.errors import ToolcribError
from domain.servers import Launch, ReviewPolicy, Transport
from gateway.api_client import ApiClient, path
from gateway.cli.connection import connect
from gateway.cli.output import Exit, err, out, print_json, progress
from gateway.cli.shell import Shell
from servers.client_configs import ConfigEntry

_PAIRS_HELP = "K=V: a header for a URL, an environment variable for a command; repeatable."


@dataclass(frozen=True, slots=True)
class Reach:
    """Flags that say how a server is reached, beside the command after `--`."""

    url: Annotated[str | None, typer.Option(help="The server's URL.")] = None
    transport: Annotated[str, typer.Option(help="streamable-http or sse, for a URL.")] = "streamable-http"
    pairs: Annotated[list[str] | None, typer.Option("--header", "--env", help=_PAIRS_HELP)] = None

    def launch(self, command: Sequence[str] | None) -> Launch:
        """Raises typer.BadParameter, InvalidInput."""
        pairs = key_values(self.pairs)
        if self.url is None:
            return Launch(Transport.STDIO, tuple(command or ()), env=pairs)
        if self.transport not in {Transport.STREAMABLE_HTTP, Transport.SSE}:
            raise typer.BadParameter("use streamable-http or sse", param_hint="--transport")
        return Launch(Transport(self.transport), tuple(command or ()), url=self.url, headers=pairs)


async def register(
    shell: Shell, entries: Sequence[ConfigEntry], problems: Sequence[str], *, review: ReviewPolicy = ReviewPolicy.ACCEPT
) -> Exit:
    """Register, then sync each; one bad server does not stop the others."""
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = [{"name": "", "error": problem} for problem in problems]
    async with connect(shell.settings) as api:
        with progress() as bar:
            task = bar.add_task("Registering", total=len(entries))
            for entry in entries:
                bar.update(task, description=f"Registering {entry.title}")
                try:
                    done.append(await _register_one(api, entry, review))
                except ToolcribError as error:
                    failed.append({"name": entry.title, "error": error.message})
                bar.advance(task)
    if shell.as_json:
        print_json({"registered": done, "failed": failed})
    else:
        for run in done:
            out.print(f"{run['server']}: {_state(run)}", markup=False, soft_wrap=True)
        for failure in failed:
            if failure["name"]:
                err.print(f"{failure['name']}: {failure['error']}", markup=False, soft_wrap=True)
    bad = len(failed) + sum(1 for run in done if run["error"])
    good = sum(1 for run in done if run["error"] is None)
    return Exit.DONE if not bad else Exit.PARTLY if good else Exit.FAILED


async def _register_one(api: ApiClient, entry: ConfigEntry, review: ReviewPolicy) -> dict[str, Any]:
    body = {"name": entry.title, **launch_body(entry.launch), "review": review, "consent": True}
    server = (await api.post("/servers", body))["server"]
    if not entry.enabled:
        await api.patch(path("servers", server), {"enabled": False})
        return {"server": server, "added": 0, "unchanged": 0, "held": 0, "error": None}
    run: dict[str, Any] = await api.post(path("servers", server, "sync"))
    return run


def launch_body(launch: Launch) -> dict[str, Any]:
    """A launch as the API takes it."""
    return {
        "transport": launch.transport,
        "command": list(launch.command),
        "cwd": launch.cwd,
        "url": launch.url,
        "env": dict(launch.env),
        "headers": dict(launch.headers),
    }


def _state(run: Mapping[str, Any]) -> str:
    if run["error"] is not None:
        return str(run["error"])
    held = f", {run['held']} held: toolcrib servers review {run['server']}" if run["held"] else ""
    return f"{run['added'] + run['unchanged']} tools{held}"


def key_values(given: Sequence[str] | None, option: str = "--header or --env") -> dict[str, str]:
    """Raises typer.BadParameter for one that is written otherwise."""
    pairs = [pair.partition("=") for pair in given or ()]
    if any(not key or not equals for key, equals, _ in pairs):
        raise typer.BadParameter("write it as KEY=VALUE", param_hint=option)
    return {key: value for key, _, value in pairs}
