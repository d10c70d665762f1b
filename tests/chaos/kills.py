"""R1, R2, R3: kill -9 at every named failpoint and at random times, on both databases, at 10,000 tools.

Whatever moment it is, the next start is ready and has an index equal to the store, and the record is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.report import Promise
from domain.failpoints import NAMES
from domain.tools import ToolState
from store import tables
from store.keyring import KEY_FILE, FileKeys
from store.store import Store
from tests.chaos.invariants import TENANT, assert_converged, untrue
from tests.chaos.parts import ChangingUpstream, api_of, changing_upstream, own_database, register, seconds_until, sync
from tests.e2e.running import GatewayProcess, serving
from tests.policy_client.model_server import model_server

SERVERS, TOOLS = 100, 100
DIES_WITHIN_S = 60.0
"""Only ends a run that hangs: a place is reached when its work is done, on a slow machine too."""
HELD = 0
"""The server whose changes wait for an approval."""

IN_RECOVERY = {"index.orphans_known": "sync.committed"}
"""Places that only a start passes, and where the process must have died before."""

FOREVER_S = "86400"


@dataclass(slots=True)
class House:
    """One data folder and its database, over many deaths of its gateway."""

    folder: Path
    url: str
    upstream: ChangingUpstream
    settings: dict[str, Any]
    ready_s: list[float] = field(default_factory=list)
    equal_s: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    survived: list[str] = field(default_factory=list)
    approved: dict[str, set[str]] = field(default_factory=dict)
    """Since the last death: tool id -> its description, and any approved later without an answer."""
    approvals: int = 0

    @property
    def arm(self) -> Path:
        return self.folder / "die-here"


async def promises_on(kind: str, *, full: bool) -> list[Promise]:
    """Of one database: "sqlite" or "postgresql". In the short form each place is died at on one of the two."""
    async with a_house(kind, SERVERS, TOOLS) as house:
        points = NAMES * 5 if full else NAMES[kind == "postgresql" :: 2]
        least = 300 if full else 30
        kills = await die_and_rise(house, points, max(least - len(points), 10), seed=7)
    for trouble in (*house.faults, *house.survived):
        print(f"  {kind}: {trouble}")  # noqa: T201 - what is behind the numbers
    return [
        Promise(f"r03_{kind}_kills", kills, least, at_most=False),
        Promise(f"r03_{kind}_failpoints_not_reached", len(house.survived), 0),
        Promise(f"r03_{kind}_divergences", len(house.faults), 0),
        Promise(f"r03_{kind}_approvals_kept", house.approvals, 1, at_most=False),
        Promise(f"r03_{kind}_index_equal_after_restart_max", max(house.equal_s), 10.0, "s"),
        Promise(f"r03_{kind}_ready_max", max(house.ready_s), 3.0, "s"),
    ]


@asynccontextmanager
async def a_house(kind: str, servers: int, tools: int) -> AsyncIterator[House]:
    """A gateway's folder whose catalogue and index hold `servers` times `tools`."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        upstream = await stack.enter_async_context(changing_upstream(servers, tools))
        model = stack.enter_context(model_server())
        settings: dict[str, Any] = {
            "embedder": "openai:hashing", "embedding_url": f"{model.url}/v1", "poll_s": FOREVER_S,
            "failpoint": str(folder / "die-here"), "log_level": "ERROR",
        }  # fmt: skip
        url = f"sqlite:///{folder}/toolcrib.db"
        if kind == "postgresql":
            url = settings["database_url"] = await stack.enter_async_context(own_database())
        house = House(folder, url, upstream, settings)
        with serving(folder, **settings) as gateway:
            async with api_of(gateway.url) as http:
                await furnish(house, http)
        yield house


async def furnish(house: House, http: httpx2.AsyncClient) -> None:
    """Register whatever server is not registered, and sync it."""
    known = {server["server"] for server in (await http.get("/api/v1/servers")).json()["servers"]}
    slots = asyncio.Semaphore(8)

    async def add(number: int) -> None:
        async with slots:
            await register(http, f"s{number}", house.upstream.url(number))
            (await http.post(f"/api/v1/servers/s{number}/sync")).raise_for_status()

    await asyncio.gather(*(add(n) for n in range(house.upstream.servers) if f"s{n}" not in known))
    (await http.patch(f"/api/v1/servers/s{HELD}", json={"review": "hold"})).raise_for_status()


async def die_and_rise(house: House, points: tuple[str, ...], random_kills: int, seed: int) -> int:
    """Kill at every point and so many times at random; returns how often. What was wrong stands in the house."""
    chance = random.Random(seed)
    plan: list[str | None] = [*points, *[None] * random_kills]
    chance.shuffle(plan)
    store = await Store.open(house.url, FileKeys(house.folder / KEY_FILE))
    kills = 0
    for number, point in enumerate(plan, 1):
        with serving(house.folder, **house.settings) as gateway:
            async with api_of(gateway.url) as http:
                await note_start(house, gateway, http, store)
                await furnish(house, http)
                kills += await die(house, gateway, http, point, chance.getrandbits(31))
        if point in IN_RECOVERY:
            kills += await die_at_start(house, point, store)
        ready, equal = f"ready {house.ready_s[-1]:.2f} s", f"equal {house.equal_s[-1]:.2f} s"
        print(f"  {number}/{len(plan)}: {ready}, {equal}, then killed at {point or 'random'}", flush=True)  # noqa: T201
    with serving(house.folder, **house.settings) as gateway:
        async with api_of(gateway.url) as http:
            await note_start(house, gateway, http, store)
            await furnish(house, http)
            await note_truth(house, http, store)
    await store.close()
    return kills


async def note_start(house: House, gateway: GatewayProcess, http: httpx2.AsyncClient, store: Store) -> None:
    """How this start went."""

    async def is_ready() -> bool:
        return (await http.get("/readyz")).status_code == 200

    house.ready_s.append(gateway.started_in_s + await seconds_until(is_ready, 30))
    found = await assert_converged(http, store)
    house.equal_s.append(gateway.started_in_s + found.seconds)
    house.faults += found.faults
    served = {tool.tool_id: tool.document.raw for tool in await store.catalogue.known(TENANT, f"s{HELD}")}
    for tool_id, descriptions in house.approved.items():
        if served[tool_id]["description"] in descriptions:
            house.approvals += 1
        else:
            house.faults.append(f"the approval of {tool_id} was confirmed and is lost")
    house.approved.clear()


async def die(house: House, gateway: GatewayProcess, http: httpx2.AsyncClient, point: str | None, seed: int) -> int:
    """Change the world, have the gateway follow, and kill it meanwhile; 1 when it is dead."""
    chance = random.Random(seed)
    servers = [HELD, *chance.sample(range(1, house.upstream.servers), 3)]
    await house.upstream.change([HELD], seed)
    await sync(http, f"s{HELD}")  # answered once this gateway leads: whoever led before is dead
    await approve(house, http)
    await house.upstream.change(servers[:3], seed + 1)
    if point is not None:
        house.arm.write_text(IN_RECOVERY.get(point, point))
    work = asyncio.create_task(follow(house, http, servers))
    if point is None:
        await asyncio.wait({work}, timeout=chance.uniform(0.0, 3.0))
        gateway.process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        await asyncio.to_thread(gateway.process.wait, DIES_WITHIN_S)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    if gateway.process.poll() is None:
        house.survived.append(str(point))
        house.arm.unlink(missing_ok=True)
        return 0
    return 1


async def follow(house: House, http: httpx2.AsyncClient, servers: list[int]) -> None:
    """What makes every part write: changed tools, approvals, a name, a server that goes and comes back, searches."""
    _, first, _, last = servers
    await asyncio.gather(*(http.post(f"/api/v1/servers/s{number}/sync") for number in servers[:3]))
    await approve(house, http)
    page = (await http.get("/api/v1/tools", params={"server": f"s{first}", "state": "active", "limit": 1})).json()
    await http.patch(f"/api/v1/tools/{page['tools'][0]['tool_id']}", json={"description": f"Anew {time.time()}."})
    await http.post("/api/v1/search", json={"queries": ["read the old file"]})
    await http.delete(f"/api/v1/servers/s{last}")


async def approve(house: House, http: httpx2.AsyncClient) -> None:
    """Everything that waits; what the gateway confirmed must never be lost."""
    reviews = (await http.get("/api/v1/reviews")).raise_for_status().json()["reviews"]
    if reviews:
        for review in reviews:
            if review["tool_id"] in house.approved:  # the answer may never come, and yet it may be decided
                house.approved[review["tool_id"]].add(review["proposed"]["description"])
        decisions = {"ids": [review["id"] for review in reviews], "decision": "approve"}
        (await http.post("/api/v1/reviews", json=decisions)).raise_for_status()
        house.approved.update({review["tool_id"]: {review["proposed"]["description"]} for review in reviews})


async def die_at_start(house: House, point: str, store: Store) -> int:
    """Start with the place armed; the start itself dies there. The record is what a backup from before a server was
    listed leaves: its tools are in the index, and nothing in the change log says that they are not in the store.
    """

    async def forget(connection: AsyncConnection) -> None:
        await connection.execute(
            update(tables.TOOLS).where(tables.TOOLS.c.server == "s1").values(state=ToolState.REMOVED.value)
        )

    await store._database.transaction(forget)
    house.arm.write_text(point)
    try:
        with serving(house.folder, **house.settings) as gateway:
            gateway.process.wait(DIES_WITHIN_S)
    except (AssertionError, subprocess.TimeoutExpired):
        """It died before it said where it listens."""
    if house.arm.exists():
        house.survived.append(point)
        house.arm.unlink()
        return 0
    return 1


async def note_truth(house: House, http: httpx2.AsyncClient, store: Store) -> None:
    """Once everything is synced, the catalogue is what the servers say."""
    offers = await house.upstream.tools()
    for number in range(house.upstream.servers):
        (await http.post(f"/api/v1/servers/s{number}/sync")).raise_for_status()
        await approve(house, http)
        wrong = await untrue(store, f"s{number}", offers[str(number)])
        if wrong:
            house.faults.append(f"s{number} differs from its server in {wrong} tools")
