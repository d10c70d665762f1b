"""List, call, error, cancel and change notice behave the same over every transport and in both eras."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from domain.errors import UpstreamRefused, UpstreamTimeout
from domain.servers import ServerStatus, Transport, UpstreamServer
from servers.pool import ServerPool
from tests.servers.conftest import MakePool
from tests.upstreams.reference import INSTRUCTIONS, TOOLS
from tests.upstreams.running import REFERENCES, lasting_reference

pytestmark = pytest.mark.anyio


@pytest.fixture(params=REFERENCES, scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[UpstreamServer]:
    """Over HTTP one process serves the whole file; over stdio every pool starts its own."""
    with lasting_reference(request.param) as upstream:
        yield upstream


def text_of(raw: object) -> object:
    assert isinstance(raw, dict)
    return raw["content"][0]["text"]


async def test_all_pages_are_listed_and_the_server_introduces_itself(pool: ServerPool, server: UpstreamServer) -> None:
    listing = await pool.list_tools(server)
    assert [document.raw for document in listing.documents] == TOOLS
    health = pool.health("t", "up")
    assert (health.status, health.protocol_version) == (ServerStatus.READY, listing.protocol_version)
    assert (health.server_name, health.server_version, health.instructions) == ("reference", "1.2.3", INSTRUCTIONS)


async def test_structured_content_and_meta_pass_untouched(pool: ServerPool, server: UpstreamServer) -> None:
    raw = (await pool.call(server, "structured", {"city": "Ålesund"})).raw
    assert raw["structuredContent"] == {"city": "Ålesund", "temperature": 21.5, "unknown": [None, {"x": 1}]}
    echoed = (await pool.call(server, "echo", {"text": "a"})).raw
    assert echoed["_meta"]["com.example/echo"] == {"of": ["a", None]}


async def test_an_argument_that_must_be_mirrored_in_a_header_is_even_before_any_listing(
    pool: ServerPool, server: UpstreamServer
) -> None:
    assert text_of((await pool.call(server, "regional", {"region": "süd"})).raw) == "süd"
    assert text_of((await pool.call(server, "regional", {"region": "west"})).raw) == "west"


async def test_a_failed_tool_is_an_answer_and_an_unknown_one_a_refusal(
    pool: ServerPool, server: UpstreamServer
) -> None:
    assert (await pool.call(server, "fail", {})).is_error
    with pytest.raises(UpstreamRefused) as refusal:
        await pool.call(server, "nope", {})
    assert refusal.value.rpc_code == -32602
    assert refusal.value.data == {"tool": "nope"}


async def test_a_deadline_cancels_the_request_at_the_upstream(pool: ServerPool, server: UpstreamServer) -> None:
    await pool.list_tools(server)
    with pytest.raises(UpstreamTimeout, match=r"'up' did not answer the call of 'slow' within 0.5 s"):
        await pool.call(server, "slow", {"seconds": 600, "label": "late"}, timeout_s=0.5)
    assert text_of((await pool.call(server, "was_cancelled", {"label": "late"})).raw) == "1"


async def test_a_caller_that_goes_away_cancels_the_request_and_nothing_else(
    pool: ServerPool, server: UpstreamServer
) -> None:
    await pool.list_tools(server)
    stays = asyncio.create_task(pool.call(server, "slow", {"seconds": 1.0, "label": "gone"}))
    leaves = asyncio.create_task(pool.call(server, "slow", {"seconds": 600, "label": "gone"}))
    await pool.call(server, "running", {"label": "gone", "count": 2})
    leaves.cancel()
    assert text_of((await pool.call(server, "was_cancelled", {"label": "gone"})).raw) == "1"
    assert text_of((await stays).raw) == "awake"


async def test_requests_run_at_the_same_time_on_one_connection(pool: ServerPool, server: UpstreamServer) -> None:
    await pool.list_tools(server)
    async with asyncio.timeout(4.5):  # ten times half a second, one after the other, would be five
        answers = await asyncio.gather(*(pool.call(server, "slow", {"seconds": 0.5}) for _ in range(10)))
    assert [text_of(answer.raw) for answer in answers] == ["awake"] * 10


async def test_a_megabyte_arrives_whole(pool: ServerPool, server: UpstreamServer) -> None:
    size = 900_000 if server.launch.transport is Transport.SSE else 5_000_000  # the SDK's SSE client stops at 1 MiB
    assert text_of((await pool.call(server, "big", {"bytes": size})).raw) == "x" * size


async def test_changed_tools_are_announced(make_pool: MakePool, server: UpstreamServer) -> None:
    heard = asyncio.Event()
    told: list[tuple[str, str]] = []

    def on_list_changed(tenant: str, slug: str) -> None:
        told.append((tenant, slug))
        heard.set()

    pool = make_pool(on_list_changed=on_list_changed)
    await pool.list_tools(server)
    await pool.call(server, "set_extra", {"present": True})
    await asyncio.wait_for(heard.wait(), 30)
    assert told[0] == ("t", "up")
    assert [document.name for document in (await pool.list_tools(server)).documents][-1] == "extra"
    await pool.call(server, "set_extra", {"present": False})
