"""A result over the parsing cap arrives whole, whichever way it comes, and what is too large even so is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.errors import UpstreamProtocolError
from domain.servers import Transport, UpstreamServer
from servers.large_results.readable import PLAIN, readable
from servers.large_results.spool import Spool, SpoolFile
from servers.limits import KIB, MIB, Caps, Limits
from servers.pool import ServerPool
from tests.servers.conftest import PATIENT
from tests.upstreams.running import REFERENCES, http_upstream, lasting_reference, stdio_server

pytestmark = pytest.mark.anyio

SIZE = 3 * MIB


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    made = Spool(tmp_path / "spool", file_bytes=8 * MIB, total_bytes=16 * MIB)
    yield made
    made.close()
    assert made.used == 0


@pytest.fixture
async def pool(spool: Spool) -> AsyncIterator[ServerPool]:
    made = ServerPool(Limits(PATIENT, Caps(message_bytes=MIB), spool=spool))
    yield made
    await made.aclose()


async def read_large(pool: ServerPool, spool: Spool, server: UpstreamServer, **arguments: Any) -> tuple[str, str]:
    """Media and text of a large result."""
    result = await pool.call(server, "big", arguments)
    assert result.large is not None
    found = readable(spool, result.large)
    text = found.text.read().decode()
    found.text.file.drop()
    return found.media, text


@pytest.mark.parametrize("kind", REFERENCES)
async def test_every_transport_puts_it_aside_and_goes_on(pool: ServerPool, spool: Spool, kind: str) -> None:
    with lasting_reference(kind) as server:
        large = asyncio.create_task(read_large(pool, spool, server, bytes=SIZE))
        assert (await pool.call(server, "echo", {"text": "meanwhile"})).raw["content"][0]["text"] == "meanwhile"
        media, text = await large
        assert (media, len(text), set(text)) == (PLAIN, SIZE, {"x"})
        assert (await pool.call(server, "echo", {"text": "after"})).raw["content"][0]["text"] == "after"


@pytest.mark.parametrize("arguments", [("--json",), ("--json", "--legacy")])
async def test_so_does_a_plain_json_answer(pool: ServerPool, spool: Spool, arguments: tuple[str, ...]) -> None:
    async with http_upstream(Transport.STREAMABLE_HTTP, *arguments) as upstream:
        assert await read_large(pool, spool, upstream.server(), bytes=SIZE) == (PLAIN, "x" * SIZE)


@pytest.mark.parametrize("kind", REFERENCES)
async def test_one_over_the_spools_limit_is_refused_by_name(pool: ServerPool, kind: str) -> None:
    with lasting_reference(kind) as server:
        with pytest.raises(UpstreamProtocolError, match=r"more than 8 MiB|too much"):
            await pool.call(server, "big", {"bytes": 9 * MIB})
        assert (await pool.call(server, "echo", {"text": "after"})).raw["content"][0]["text"] == "after"


async def test_what_only_the_old_transport_finds_large_is_parsed_after_all(spool: Spool) -> None:
    pool = ServerPool(Limits(PATIENT, spool=spool))
    with lasting_reference("sse-legacy") as server:
        result = await pool.call(server, "big", {"bytes": SIZE})
        assert result.raw["content"] == [{"type": "text", "text": "x" * SIZE}]
    await pool.aclose()


async def test_a_list_is_never_put_aside(spool: Spool) -> None:
    pool = ServerPool(Limits(PATIENT, Caps(message_bytes=16 * KIB), spool=spool))
    with pytest.raises(
        UpstreamProtocolError, match=r"sent a message of more than .* and cannot be kept \(it is a list\)"
    ):
        await pool.list_tools(stdio_server("hostile", "huge-list"))
    await pool.aclose()


async def test_a_call_that_is_given_up_leaves_nothing_behind(
    pool: ServerPool, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = stdio_server("reference")
    await pool.list_tools(server)
    begun, begin = asyncio.Event(), spool.begin

    def announced() -> SpoolFile:
        begun.set()
        return begin()

    monkeypatch.setattr(spool, "begin", announced)
    call = asyncio.create_task(pool.call(server, "big", {"bytes": SIZE}))
    await begun.wait()
    call.cancel()
    await asyncio.wait({call})
    assert call.cancelled()
    assert (await pool.call(server, "echo", {"text": "after"})).raw["content"][0]["text"] == "after"
