"""Starts the test upstreams as subprocesses, ready when the helper returns."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from domain.servers import Launch, Transport, UpstreamServer

ROOT = Path(__file__).resolve().parents[2]
MODULES = "tests.upstreams"
START_S = 120.0  # only to end a run that hangs: a busy machine takes its time


def stdio_command(module: str, *arguments: str) -> tuple[str, ...]:
    """argv of a test upstream. `-m` needs the repository root as working folder: see `stdio_server`."""
    return (sys.executable, "-m", f"{MODULES}.{module}", *arguments)


def stdio_server(module: str, *arguments: str, slug: str = "up", env: dict[str, str] | None = None) -> UpstreamServer:
    launch = Launch(Transport.STDIO, stdio_command(module, *arguments), cwd=str(ROOT), env=env or {})
    return UpstreamServer("t", slug, slug.title(), launch)


@dataclass(slots=True)
class HttpUpstream:
    """A running HTTP upstream."""

    url: str
    transport: Transport
    process: Process

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def server(self, slug: str = "up", headers: dict[str, str] | None = None) -> UpstreamServer:
        return UpstreamServer("t", slug, slug.title(), Launch(self.transport, url=self.url, headers=headers or {}))

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def http_upstream(
    transport: Transport, *arguments: str, module: str = "reference", port: int = 0
) -> AsyncIterator[HttpUpstream]:
    """A test upstream over HTTP, on a free port unless one is given. Killed on exit."""
    process = await asyncio.create_subprocess_exec(
        *stdio_command(module, "--transport", transport.value, "--port", str(port), *arguments), stdout=PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), START_S)).decode().strip()
    running = HttpUpstream(url, transport, process)
    try:
        assert url.startswith("http://127.0.0.1:"), "the upstream did not start"
        yield running
    finally:
        await running.kill()


@contextmanager
def lasting_reference(kind: str) -> Iterator[UpstreamServer]:
    """The reference upstream for a whole test module, outside any event loop."""
    name = kind.removesuffix("-legacy")
    era = ("--legacy",) if kind.endswith("-legacy") else ()
    if name == "stdio":
        yield stdio_server("reference", *era)
        return
    command = stdio_command("reference", "--transport", name, *era)
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            yield UpstreamServer("t", "up", "Up", Launch(Transport(name), url=url))
        finally:
            process.kill()


REFERENCES = ("stdio", "stdio-legacy", "streamable-http", "streamable-http-legacy", "sse", "sse-legacy")
"""Every transport and era of the reference upstream."""
