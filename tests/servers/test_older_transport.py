"""A server that is registered with a plain URL and speaks HTTP+SSE is found out; a wrong URL is still a wrong URL."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from domain.errors import UpstreamUnreachable
from domain.servers import ServerStatus, Transport, UpstreamServer
from servers.pool import ServerPool
from tests.upstreams.running import http_upstream

pytestmark = pytest.mark.anyio


def as_plain_url(server: UpstreamServer, url: str | None = None) -> UpstreamServer:
    launch = replace(server.launch, transport=Transport.STREAMABLE_HTTP, url=url or server.launch.url)
    return replace(server, launch=launch)


@pytest.mark.parametrize("arguments", [(), ("--legacy",)])
async def test_the_older_transport_is_found_out(pool: ServerPool, arguments: tuple[str, ...]) -> None:
    async with http_upstream(Transport.SSE, *arguments) as upstream:
        server = as_plain_url(upstream.server())
        calls = [pool.call(server, "echo", {"text": str(number)}) for number in range(5)]
        said = [result.raw["content"][0]["text"] for result in await asyncio.gather(*calls)]
        assert said == [str(number) for number in range(5)]
        assert pool.health("t", "up").status is ServerStatus.READY


async def test_a_restart_with_the_newer_transport_is_found_out_too(pool: ServerPool) -> None:
    async with http_upstream(Transport.SSE) as old:
        server = as_plain_url(old.server(), f"http://127.0.0.1:{old.port}/sse")
        await pool.call(server, "echo", {"text": "old"})
        await old.kill()
        async with http_upstream(Transport.STREAMABLE_HTTP, "--path", "sse", port=old.port):
            for _ in range(3):  # the old connection ends, the old transport is refused, the new one is tried
                try:
                    result = await pool.call(server, "echo", {"text": "new"})
                    break
                except UpstreamUnreachable:
                    continue
        assert result.raw["content"][0]["text"] == "new"


async def test_a_url_without_any_server_says_what_the_newer_transport_got(pool: ServerPool) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
        url = f"http://127.0.0.1:{upstream.port}/nothing"
        with pytest.raises(UpstreamUnreachable, match=r"offers no MCP endpoint at .*/nothing \(HTTP 404\)"):
            await pool.list_tools(as_plain_url(upstream.server(), url))
