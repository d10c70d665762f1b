"""R13: the disk fills up to the reserve, then wholly. Reading goes on, writing says why it does not, all is well later.

On a file system of its own (tmpfs), which takes the right to mount one.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx2

from benchmarks.report import Promise
from store.keyring import KEY_FILE, FileKeys
from store.store import Store
from tests.chaos.invariants import assert_converged
from tests.chaos.parts import ChangingUpstream, api_of, changing_upstream, register, seconds_until, sync
from tests.e2e.running import GatewayProcess, serving

MIB = 2**20
DISK, BELOW_RESERVE = 1024 * MIB, 200 * MIB
SERVERS, TOOLS = 10, 20
REQUESTS = 50


async def run(*, full: bool) -> list[Promise]:
    del full
    with tempfile.TemporaryDirectory(prefix="toolcrib-chaos-") as place:
        if not await asyncio.to_thread(done, "mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place):
            print("  r13 is left out: no file system can be mounted here")  # noqa: T201
            return []
        try:
            return await fill(Path(place))
        finally:
            await asyncio.to_thread(done, "umount", place)


def done(*command: str) -> bool:
    return subprocess.run(command, check=False).returncode == 0


async def fill(disk: Path) -> list[Promise]:
    async with a_gateway(disk) as (gateway, http, upstream, store):
        leave(disk, BELOW_RESERVE)
        await upstream.change([1], 1)
        told = bool((await sync(http, "s1"))["warnings"])
        reads = await read(http)
        leave(disk, 0)
        refused = await write(http)
        reads += await read(http)
        (disk / "filler").unlink()
        back = await seconds_until(lambda: _writes(http), 30, every_s=0.1)
        await sync(http, "s1")
        found = await assert_converged(http, store)
        alive = gateway.process.poll() is None
    return [
        Promise("r13_reads_that_failed", sum(reads.values()) - reads[200], 0),
        Promise("r13_index_said_that_it_waits", float(told), 1, at_most=False),
        Promise("r13_writes_refused_with_507", refused[507], sum(refused.values()), at_most=False),
        Promise("r13_back_after_space_returned", back, 5.0, "s"),
        Promise("r13_divergences", len(found.faults), 0),
        Promise("r13_same_process", float(alive), 1, at_most=False),
    ]


@asynccontextmanager
async def a_gateway(
    disk: Path,
) -> AsyncIterator[tuple[GatewayProcess, httpx2.AsyncClient, ChangingUpstream, Store]]:
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(changing_upstream(SERVERS, TOOLS))
        gateway = stack.enter_context(serving(disk / "data", poll_s="86400", log_level="ERROR"))
        http = await stack.enter_async_context(api_of(gateway.url))
        for number in range(SERVERS):
            await register(http, f"s{number}", upstream.url(number))
            await sync(http, f"s{number}")
        store = await Store.open(f"sqlite:///{disk}/data/toolcrib.db", FileKeys(disk / "data" / KEY_FILE))
        stack.push_async_callback(store.close)
        yield gateway, http, upstream, store


def leave(disk: Path, free: int) -> None:
    """Another writer fills the disk until so much is left."""
    here = os.statvfs(disk)
    needed = here.f_bavail * here.f_frsize - free
    with (disk / "filler").open("ab") as filler:
        os.posix_fallocate(filler.fileno(), filler.tell(), needed)


async def read(http: httpx2.AsyncClient) -> Counter[int]:
    """Searches and calls, by status."""
    seen: Counter[int] = Counter()
    for number in range(REQUESTS):
        seen[(await http.post("/api/v1/search", json={"queries": [f"read the old file {number}"]})).status_code] += 1
        call = {"tool": "s2__read_file_0", "arguments": {"file": "x"}}
        seen[(await http.post("/api/v1/call", json=call)).status_code] += 1
    return seen


async def write(http: httpx2.AsyncClient) -> Counter[int]:
    """What an admin changes, by status: as much as it takes until nothing of the database's own space is left."""
    seen: Counter[int] = Counter()
    for number in range(1000):
        body = {"name": f"new{number}", "transport": "streamable-http", "url": f"http://127.0.0.1:9/{'x' * 1000}"}
        status = (await http.post("/api/v1/servers", json=body)).status_code
        if seen or status != 201:
            seen[status] += 1
        if sum(seen.values()) == REQUESTS:
            break
    return seen


async def _writes(http: httpx2.AsyncClient) -> bool:
    change = {"description": f"Again at {time.time()}."}
    return (await http.patch("/api/v1/tools/s3__read_file_0", json=change)).status_code == 200
