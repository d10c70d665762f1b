"""What one call costs more through Toolcrib than directly, in one run with a bare hop and the Python rivals.

    python -m benchmarks.call_overhead [--rounds 1500] [--bursts 6]

One client (mcp, current revision), one upstream (echo, stateless HTTP, JSON). In every round each way is called once,
in changing order, so that a noisy neighbour hits all of them; the rivals, which take tens of times as long, in every
fifth round. The added time is the median over a way's rounds of the difference to the direct call of the same round. A
promise about added times is the ratio of two such medians, and its interval is what 95 of 100 draws of the same rounds
give (a single round's ratio says nothing: the forwarder's difference is often near zero). Throughput: eight callers,
bursts in turns; a promise is the median over the turns of the ratio within one turn. Every burst has a client of its
own: no connection waits while a slow rival has its turn.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client, MCPError
from pydantic import TypeAdapter

from benchmarks.call_overhead.rivals import RIVALS
from benchmarks.report import Promise, finish, percentiles
from tests.e2e.running import command, serving

DIRECT, FORWARDER, BY_NAME, BY_META = "direct", "forwarder", "toolcrib_by_name", "toolcrib_call_tool"
OURS = frozenset({DIRECT, FORWARDER, BY_NAME, BY_META})
RIVALS_EVERY = 5  # rounds
WARM_UP, CALLERS, BURST = 30, 8, 25
START_S = 30.0
DRAWS = 400
TEXT = "hello"
ANY_RESULT: TypeAdapter[Any] = TypeAdapter(types.CallToolResult)

Way = tuple[str, str, dict[str, Any]]
"""URL, tool, arguments."""

Times = dict[str, dict[int, float]]
"""Milliseconds by way and round."""

Rates = dict[str, list[float]]
"""Calls per second by way, burst by burst."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1500)
    parser.add_argument("--bursts", type=int, default=6)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(_started("benchmarks.call_overhead.echo"))
        ways = _ways(stack, url)
        try:
            times, rates = asyncio.run(_measure(ways, asked.rounds, asked.bursts))
        except BaseExceptionGroup as group:  # of the clients' task groups, around the one thing that went wrong
            sys.exit("the measurement failed:\n" + "\n".join(_sentences(group)))
    _report(times, rates)


def _sentences(error: BaseException) -> Iterator[str]:
    """What went wrong, and on which way."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _sentences(inner)
    else:
        yield f"{error!r} {' '.join(getattr(error, '__notes__', []))}"


def _ways(stack: contextlib.ExitStack, url: str) -> dict[str, Way]:
    plain = {"text": TEXT}
    upstream_port = url.rpartition(":")[2].partition("/")[0]
    port = stack.enter_context(_started("benchmarks.call_overhead.forwarder", upstream_port))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-bench-")))
    gateway = stack.enter_context(serving(folder, log_level="ERROR"))
    added = command(folder, "servers", "add", "echo", "--url", url)
    assert added.returncode == 0, added.stderr
    ways: dict[str, Way] = {
        DIRECT: (url, "echo", plain),
        FORWARDER: (f"http://127.0.0.1:{port}/mcp", "echo", plain),
        BY_NAME: (f"{gateway.url}/mcp", "echo__echo", plain),
        BY_META: (f"{gateway.url}/mcp", "call_tool", {"name": "echo__echo", "arguments": plain}),
    }
    for rival in RIVALS:
        if rival.installed:
            free = _free_port()
            stack.enter_context(_running(rival.argv(url, free), free))
            ways[rival.name] = (f"http://127.0.0.1:{free}/mcp", "echo", plain)
    return ways


async def _measure(ways: dict[str, Way], rounds: int, bursts: int) -> tuple[Times, Rates]:
    """Milliseconds of each call, and calls per second at eight callers."""
    order = list(ways)
    near = [name for name in ways if name in OURS]
    times: Times = {name: {} for name in ways}
    async with contextlib.AsyncExitStack() as stack:
        calls = {name: _caller(await _connected(stack, way[0]), way) for name, way in ways.items()}
        for call in calls.values():
            for _ in range(WARM_UP):
                await call()
        for number in range(rounds):
            turn = near if number % RIVALS_EVERY else order
            random.shuffle(turn)
            for name in turn:
                began = time.perf_counter()
                await calls[name]()
                times[name][number] = (time.perf_counter() - began) * 1e3
    rates: Rates = {name: [] for name in ways}
    for _ in range(bursts):
        random.shuffle(order)
        for name in order:
            async with contextlib.AsyncExitStack() as stack:
                call = _caller(await _connected(stack, ways[name][0]), ways[name])
                await asyncio.gather(*(call() for _ in range(CALLERS)))
                rates[name].append(await _rate(call))
    return times, rates


async def _connected(stack: contextlib.AsyncExitStack, url: str) -> Client:
    """A client of the current revision, or of what a rival speaks that refuses it."""
    try:
        client = await stack.enter_async_context(Client(url, mode="2026-07-28"))
        await client.list_tools()
    except (MCPError, RuntimeError, ValueError):
        client = await stack.enter_async_context(Client(url))
    return client


def _caller(client: Client, way: Way) -> Callable[[], Awaitable[None]]:
    url, tool, arguments = way

    async def call() -> None:
        # Below `Client.call_tool`, which lists the tools after every call of one that is not listed.
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=tool, arguments=arguments))
        try:
            result = await client.session.send_request(request, ANY_RESULT)
        except MCPError as error:
            error.add_note(f"in a call of {tool} at {url}")
            raise
        assert result.content[0].text == TEXT, f"{tool} at {url} answered {result}"

    return call


async def _rate(call: Callable[[], Awaitable[None]]) -> float:
    async def caller() -> None:
        for _ in range(BURST):
            await call()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return CALLERS * BURST / (time.perf_counter() - began)


def _report(times: Times, rates: Rates) -> None:
    every = list(times[DIRECT])
    added = {name: _added(times, name, list(times[name])) for name in times}
    details = {
        name: {
            "ms": percentiles(list(found.values())),
            "added_ms": round(added[name], 3),
            "calls_per_s": round(statistics.median(rates[name])),
        }
        for name, found in times.items()
    }
    print(json.dumps(details, indent=1))
    absent = [rival.name for rival in RIVALS if rival.name not in times]
    if absent:
        print(f"not installed, so not compared: {', '.join(absent)} (python -m benchmarks.call_overhead.rivals)")
    promises = [
        Promise(f"{way}_added_p50_over_forwarder", _times_forwarder(times, way, every), 2.5, "x")
        for way in (BY_NAME, BY_META)
    ]
    promises.append(Promise("throughput_of_8_over_forwarder", _faster(rates, FORWARDER), 0.70, at_most=False))
    for rival in RIVALS:
        if rival.name in times:
            promises.append(Promise(f"added_p50_over_{rival.name}", added[BY_META] / added[rival.name], 1.0, "x"))
            promises.append(
                Promise(f"throughput_over_{rival.name}", _faster(rates, rival.name), 1.0, "x", at_most=False)
            )
    intervals = {way: _interval(times, way) for way in (BY_NAME, BY_META)}
    print(json.dumps({"added_over_forwarder_95": intervals}))
    finish("call_overhead", promises, {"added_over_forwarder_95": intervals, "ways": details, "absent": absent})


def _added(times: Times, way: str, rounds: Sequence[int]) -> float:
    """Milliseconds over the direct call of the same round."""
    return statistics.median(times[way][number] - times[DIRECT][number] for number in rounds)


def _times_forwarder(times: Times, way: str, rounds: Sequence[int]) -> float:
    return _added(times, way, rounds) / max(_added(times, FORWARDER, rounds), 1e-3)


def _interval(times: Times, way: str) -> list[float]:
    """Where the ratio to the forwarder lies in 95 of 100 draws of the rounds, with replacement."""
    every = list(times[DIRECT])
    chance = random.Random(0)
    drawn = sorted(_times_forwarder(times, way, chance.choices(every, k=len(every))) for _ in range(DRAWS))
    return [round(drawn[int(share * DRAWS)], 2) for share in (0.025, 0.975)]


def _faster(rates: Rates, other: str) -> float:
    return statistics.median(ours / theirs for ours, theirs in zip(rates[BY_META], rates[other], strict=True))


@contextlib.contextmanager
def _started(module: str, *arguments: str) -> Iterator[str]:
    """A module of ours as a process, and the first line it printed."""
    argv = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@contextlib.contextmanager
def _running(argv: list[str], port: int) -> Iterator[None]:
    """A rival as a process, listening on `port`."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _await_port(process, port)
            yield
        finally:
            process.kill()


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args!r} ended at its start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError(f"{process.args!r} did not listen within {START_S} s")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as plug:
        port: int = plug.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
