"""Each bad server ends in one clear sentence within its deadline, and leaves no process behind."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest

from domain.errors import (
    InvalidInput,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from domain.servers import Launch, ServerStatus, Transport, UpstreamServer
from servers.limits import Caps, Deadlines
from servers.pool import ServerPool
from servers.sendable import MAX_NESTING
from tests.servers.conftest import QUICK, MakePool, processes_with
from tests.upstreams.hostile import GOOD, HALF, ODD
from tests.upstreams.running import stdio_server

pytestmark = pytest.mark.anyio

SECRET = "s3cret-token-value"

FAILURES: list[tuple[str, type[UpstreamError], str]] = [
    (
        "exits",
        UpstreamUnreachable,
        r"died at start \(exit code 3\): loading settings \| fatal: no API key, got \[hidden\]",
    ),
    ("garbage", UpstreamProtocolError, "printed 'Welcome to my server! .*' instead of answering the handshake"),
    ("flood", UpstreamProtocolError, "prints text instead of messages .* such as 'line 0 of a log nobody asked for'"),
    ("hangs", UpstreamTimeout, "did not complete the handshake within 3 s"),
    ("endless", UpstreamProtocolError, "was not taken, because it has more than 64 pages"),
    ("circle", UpstreamProtocolError, "was not taken, because its pages come round in a circle"),
    ("not-a-list", UpstreamProtocolError, "answered tools/list without a list of tools"),
    ("huge-line", UpstreamProtocolError, "sent a message of more than 16 MiB"),
    ("echoes-secret", UpstreamRefused, r"cannot log in with \[hidden\]"),
]


@pytest.mark.parametrize(("mode", "kind", "sentence"), FAILURES, ids=[failure[0] for failure in FAILURES])
async def test_a_listing_that_cannot_be_had_says_why(
    make_pool: MakePool, mode: str, kind: type[UpstreamError], sentence: str
) -> None:
    pool = make_pool(QUICK)
    mark = uuid.uuid4().hex
    server = stdio_server("hostile", mode, env={"API_TOKEN": SECRET, "MARK": mark})
    started = time.monotonic()
    with pytest.raises(kind, match=sentence) as failure:
        await pool.list_tools(server)
    assert time.monotonic() - started < QUICK.connect_s + 0.5
    assert type(failure.value).code == kind.code
    assert failure.value.message.startswith(("Server 'up'", "The tool list of server 'up'"))
    assert failure.value.message.endswith(".")
    assert "\n" not in failure.value.message
    assert SECRET not in failure.value.message
    await pool.aclose()
    assert processes_with(mark) == set()


@pytest.mark.parametrize("mode", ["chatty", "probe-kills", "ignores-probe", "stderr-flood", "stubborn"])
async def test_an_odd_server_is_still_used(make_pool: MakePool, mode: str) -> None:
    pool = make_pool(Deadlines(connect_s=30.0, probe_s=1.0, stop_s=0.5))
    listing = await pool.list_tools(stdio_server("hostile", mode))
    assert [document.raw for document in listing.documents] == [GOOD]


async def test_bad_entries_are_left_out_one_by_one_and_the_others_kept_losslessly(pool: ServerPool) -> None:
    listing = await pool.list_tools(stdio_server("hostile", "bad-entries"))
    assert [document.raw for document in listing.documents] == [GOOD, ODD]
    assert listing.warnings == (
        "Tool 'good' of server 'up' is listed twice; the first entry was kept.",
        "Tool 'no_object' of server 'up' has an inputSchema that is no object schema.",
        "Tool 'no_schema' of server 'up' has an inputSchema that is no object schema.",
        "Tool 'missing' of server 'up' has an inputSchema that is no object schema.",
        "Server 'up' lists a tool without a usable name; it was left out.",
        "Server 'up' lists a tool without a usable name; it was left out.",
        "Server 'up' lists something that is no tool; it was left out.",
        "Server 'up' lists something that is no tool; it was left out.",
        "Server 'up' lists a tool without a usable name; it was left out.",
    )


async def test_half_a_character_in_one_description_costs_no_tool(pool: ServerPool) -> None:
    listing = await pool.list_tools(stdio_server("hostile", "lone-surrogate"))
    assert [document.raw for document in listing.documents] == [GOOD, HALF]


async def test_arguments_that_nest_too_deep_are_refused_and_calls_in_flight_survive(pool: ServerPool) -> None:
    server = stdio_server("reference")
    slow = asyncio.create_task(pool.call(server, "slow", {"seconds": 1.0, "label": "survivor"}))
    await pool.call(server, "running", {"label": "survivor", "count": 1})
    fits: dict[str, object] = {"text": "kept"}
    for _ in range(MAX_NESTING - 3):
        fits = {"deeper": fits}
    with pytest.raises(UpstreamRefused, match="refused tools/call"):  # read and answered: it knows no `more`
        await pool.call(server, "echo", {"text": "kept", "more": fits})
    for levels in (2, 60, 100_000):
        deep: object = fits
        for _ in range(levels):
            deep = [deep]
        with pytest.raises(InvalidInput, match=r"^The arguments of 'echo' .*\.$"):
            await pool.call(server, "echo", {"text": "lost", "more": deep})
    assert not (await slow).is_error


async def test_a_tool_too_large_is_left_out_and_a_list_too_large_is_not_taken(make_pool: MakePool) -> None:
    server = stdio_server("hostile", "huge-list")
    listing = await make_pool().list_tools(server)
    assert [document.name for document in listing.documents] == ["good"]
    assert listing.warnings == ("Tool 'huge' of server 'up' is larger than 1 MiB; it was left out.",)
    with pytest.raises(UpstreamProtocolError, match="because it is larger than 2 MiB"):
        await make_pool(caps=Caps(list_bytes=2 * 1024 * 1024)).list_tools(server)


async def test_a_server_without_the_tools_capability_has_no_tools(pool: ServerPool) -> None:
    listing = await pool.list_tools(stdio_server("hostile", "no-tools"))
    assert (listing.documents, listing.warnings) == ((), ())


async def test_a_tool_that_asks_for_input_is_refused_by_name(pool: ServerPool) -> None:
    with pytest.raises(UpstreamRefused, match="Tool 'good' of server 'up' asks for input") as refusal:
        await pool.call(stdio_server("hostile", "asks-for-input"), "good", {})
    assert refusal.value.rpc_code == -32021


async def test_a_server_that_asks_us_in_the_middle_of_a_call_is_told_no(pool: ServerPool) -> None:
    result = await pool.call(stdio_server("hostile", "elicits"), "good", {})
    assert result.is_error
    assert "Elicitation not supported" in result.raw["content"][0]["text"]


async def test_unknown_keywords_of_a_result_are_kept(pool: ServerPool) -> None:
    result = await pool.call(stdio_server("hostile", "bad-entries"), "good", {})
    assert result.raw == {"content": [{"type": "text", "text": "called"}], "x-result": {"kept": 1}}


async def test_stderr_is_kept_to_its_last_64_kib(pool: ServerPool) -> None:
    await pool.list_tools(stdio_server("hostile", "stderr-flood"))
    text = pool.stderr("t", "up")
    assert len(text) == 64 * 1024
    assert text.endswith("the last line\n")


@pytest.mark.parametrize(
    ("launch", "sentence"),
    [
        (Launch(Transport.STDIO, ("no-such-command-here", "x")), "the command 'no-such-command-here' was not found"),
        (Launch(Transport.STDIO, ("/no/such/path",)), "the command '/no/such/path' was not found"),
        (Launch(Transport.STDIO, ("true",), cwd="/no/such/folder"), "working folder '/no/such/folder' does not exist"),
        (Launch(Transport.STDIO, ("sh",), env={"A=B": "c"}), "cannot start"),
    ],
)
async def test_a_command_that_cannot_start_says_so_at_once(pool: ServerPool, launch: Launch, sentence: str) -> None:
    started = time.monotonic()
    with pytest.raises(UpstreamUnreachable, match=sentence):
        await pool.list_tools(UpstreamServer("t", "up", "Up", launch))
    assert time.monotonic() - started < 1.0
    assert pool.health("t", "up").status is ServerStatus.FAILED


async def test_a_bad_server_does_not_slow_the_others(make_pool: MakePool) -> None:
    pool = make_pool()
    hanging = asyncio.create_task(pool.list_tools(stdio_server("hostile", "hangs", slug="hangs")))
    listing = await pool.list_tools(stdio_server("hostile", "chatty"))
    assert len(listing.documents) == 1
    assert not hanging.done()
    hanging.cancel()
