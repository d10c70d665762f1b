"""The matrix as data: who stands before whom, and what becomes of each feature."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from subprocess import PIPE, Popen

from mcp import Client, MCPError
from mcp.client.subscriptions import ListenNotSupportedError, SubscriptionLost

from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Limits
from tests.bridge.features import FEATURES, Visitor, elicited, hears
from tests.conformance.client import open_door, rooted, sampled
from tests.upstreams.running import ROOT

CLIENTS: Mapping[str, str] = {"2026-07-28": "2026-07-28", "2025-11-25": "legacy"}
"""Revision of the client -> mode of the SDK's client."""

UPSTREAMS: Mapping[str, tuple[str, Transport]] = {
    "2026-07-28, streamable HTTP": ("modern", Transport.STREAMABLE_HTTP),
    "2026-07-28, stdio": ("modern", Transport.STDIO),
    "2025-11-25, streamable HTTP": ("handshake", Transport.STREAMABLE_HTTP),
    "2025-11-25, stdio": ("handshake", Transport.STDIO),
    "2025-11-25, HTTP+SSE": ("handshake", Transport.SSE),
}

WORKS = "works"
REFUSED: Mapping[str, str] = {"undeclared capability": "-32021", "tasks": "-32601"}
"""Features that end in an error of the specification, whoever stands before whom."""

_MODULE = "tests.conformance.upstream"
_CELL_S = 20.0


def expected() -> dict[str, str]:
    """A column of the matrix; all are alike."""
    return {feature: REFUSED.get(feature, WORKS) for feature in FEATURES}


@contextmanager
def upstream(name: str) -> Iterator[UpstreamServer]:
    """The reference upstream of that era and transport."""
    era, transport = UPSTREAMS[name]
    command = (sys.executable, "-m", _MODULE, "--transport", transport.value, "--era", era)
    if transport is Transport.STDIO:
        yield UpstreamServer("local", "up", "Up", Launch(transport, command, cwd=str(ROOT)))
        return
    with Popen(command, stdout=PIPE, cwd=ROOT, text=True) as process:
        try:
            assert process.stdout is not None
            yield UpstreamServer("local", "up", "Up", Launch(transport, url=process.stdout.readline().strip()))
        finally:
            process.kill()


async def column(client: str, server: UpstreamServer) -> dict[str, str]:
    """What became of every feature, for one client before one upstream."""
    async with open_door(server, Limits()) as url:
        return {feature: await _cell(feature, CLIENTS[client], url) for feature in FEATURES}


async def _cell(feature: str, mode: str, url: str) -> str:
    told: asyncio.Queue[str] = asyncio.Queue()
    try:
        async with asyncio.timeout(_CELL_S), _client(mode, url, told) as client:
            try:
                await FEATURES[feature](Visitor(client, url, told))
            except MCPError as error:
                return str(error.code)
            except (AssertionError, TimeoutError, ListenNotSupportedError, SubscriptionLost) as error:
                return re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")
            return WORKS
    except TimeoutError:
        return f"no end within {_CELL_S:g} s"


def _client(mode: str, url: str, told: asyncio.Queue[str]) -> Client:
    return Client(
        url,
        mode=mode,
        log_level="info" if mode != "legacy" else None,
        sampling_callback=sampled,
        list_roots_callback=rooted,
        elicitation_callback=elicited,
        **hears(told),
    )
