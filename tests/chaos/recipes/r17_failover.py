"""R17: two gateways on one PostgreSQL; the one that syncs is killed, or paused for longer than its lease and woken.

What was written, by whom and under which token is recorded by a trigger of the database itself, at the commit.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import text
from sqlalchemy.engine import make_url

from benchmarks.report import Promise
from store.keyring import KEY_FILE, FileKeys
from store.store import Store
from sync.leadership import TTL_S
from tests.chaos.invariants import assert_converged
from tests.chaos.parts import ChangingUpstream, changing_upstream, own_database, register, seconds_until, sync
from tests.e2e.running import GatewayProcess, serving
from tests.policy_client.model_server import model_server
from tests.store.databases import run_sql

SERVERS, TOOLS = 10, 20
HANDSHAKE_VERSION = "2025-06-18"
_OK, _NOT_FOUND = 200, 404
RESTLESS_S = 0.2
PATIENCE_S = 30.0

AUDIT = (
    "CREATE TABLE audit (n bigserial PRIMARY KEY, writer text, holder text, token bigint)",
    """CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO audit (writer, holder, token)
         SELECT current_setting('application_name'), holder, token FROM leases WHERE name = 'sync';
         RETURN NULL;
       END $$""",
    """CREATE CONSTRAINT TRIGGER audit AFTER UPDATE ON servers DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (OLD.generation <> NEW.generation) EXECUTE FUNCTION audit()""",
    """CREATE CONSTRAINT TRIGGER audit AFTER INSERT ON sync_runs DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION audit()""",
)
OVERLAPS = """
    SELECT (SELECT count(*) FROM (SELECT token FROM audit GROUP BY token HAVING count(DISTINCT writer) > 1) AS shared)
         + (SELECT count(*) FROM (SELECT token, lag(token) OVER (ORDER BY n) AS before FROM audit) AS pairs
            WHERE token < before)
         + (SELECT count(*) FROM audit WHERE holder <> '' AND writer <> 'toolcrib/' || holder)
"""


@dataclass(slots=True)
class Cluster:
    """Two gateways that come and go, one database."""

    folder: Path
    store: Store
    settings: dict[str, Any]
    running: dict[str, tuple[GatewayProcess, ExitStack]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        stack = ExitStack()
        self.running[name] = stack.enter_context(serving(self.folder / name, **self.settings)), stack

    def end(self, name: str) -> None:
        self.running.pop(name)[1].close()

    async def leader(self) -> tuple[str, int]:
        """Name of the gateway that has the lease, and the token."""
        rows = await self.store._database.rows(text("SELECT holder, token FROM leases WHERE name = 'sync'"))
        holder, token = (rows[0].holder, int(rows[0].token)) if rows else ("", 0)
        for name, (gateway, _) in self.running.items():
            if holder.split("-")[0] == str(gateway.process.pid):
                return name, token
        return "", token

    @asynccontextmanager
    async def api(self, name: str) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(base_url=self.running[name][0].url, timeout=60) as http:
            yield http


async def run(*, full: bool) -> list[Promise]:
    failovers = 200 if full else 20
    async with a_cluster() as (cluster, upstream):
        takeovers, visible = [], []
        async with restless(upstream):
            for number in range(failovers):
                takeovers.append(await fail_over(cluster, paused=bool(number % 2)))
                visible.append(await seconds_until_visible(cluster, number))
        errors = await round_robin_errors(cluster)
        sticky, strays = await handshake_client(cluster)
        (row,) = await cluster.store._database.rows(text(OVERLAPS))
        (written,) = await cluster.store._database.rows(text("SELECT count(*) FROM audit"))
        faults: list[str] = []
        for name in cluster.running:
            async with cluster.api(name) as http:
                faults += (await assert_converged(http, cluster.store)).faults
    return [
        Promise("r17_failovers", len(takeovers), failovers, at_most=False),
        Promise("r17_fenced_writes", int(written[0]), failovers, at_most=False),
        Promise("r17_overlapping_fenced_writes", int(row[0]), 0),
        Promise("r17_takeover_max", max(takeovers), 10.0, "s"),
        Promise("r17_admin_change_visible_max", max(visible), 2.0, "s"),
        Promise("r17_round_robin_errors", errors, 0),
        Promise("r17_handshake_client_sticky_errors", sticky, 0),
        Promise("r17_handshake_client_elsewhere_not_404_then_served", strays, 0),
        Promise("r17_divergences", len(faults), 0),
    ]


@asynccontextmanager
async def a_cluster() -> AsyncIterator[tuple[Cluster, ChangingUpstream]]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        url = await stack.enter_async_context(own_database())
        upstream = await stack.enter_async_context(changing_upstream(SERVERS, TOOLS))
        model = stack.enter_context(model_server())
        store = await Store.open(url, FileKeys(folder / KEY_FILE))
        stack.push_async_callback(store.close)
        await run_sql(make_url(url), *AUDIT)
        settings = {
            "database_url": url, "embedder": "openai:hashing", "embedding_url": f"{model.url}/v1", "poll_s": "1",
            "log_level": "ERROR", "secrets_key_file": str(folder / KEY_FILE),
        }  # fmt: skip
        cluster = Cluster(folder, store, settings)
        for name in ("one", "two"):
            cluster.start(name)
            stack.callback(cluster.end, name)
        async with cluster.api("one") as http:
            for number in range(SERVERS):
                await register(http, f"s{number}", upstream.url(number))
                await sync(http, f"s{number}")
        yield cluster, upstream


@asynccontextmanager
async def restless(upstream: ChangingUpstream) -> AsyncIterator[None]:
    """Some server's tools change all the time, so that whoever leads always writes."""

    async def change() -> None:
        for seed in itertools.count():
            await upstream.change([random.Random(seed).randrange(SERVERS)], seed)
            await asyncio.sleep(RESTLESS_S)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fail_over(cluster: Cluster, *, paused: bool) -> float:
    """Take the leader away; seconds until the other has taken over. Afterwards both are there again."""

    async def is_led() -> bool:
        return bool((await cluster.leader())[0])

    await seconds_until(is_led, PATIENCE_S)
    name, token = await cluster.leader()
    process = cluster.running[name][0].process

    async def is_taken() -> bool:
        return (await cluster.leader())[1] > token

    if paused:
        os.kill(process.pid, signal.SIGSTOP)
        seconds = await seconds_until(is_taken, PATIENCE_S)
        await asyncio.sleep(max(0.0, TTL_S + 1.0 - seconds))  # longer than its lease, whatever the other does
        os.kill(process.pid, signal.SIGCONT)
        await asyncio.sleep(1.5)  # it wakes up in the midst of whatever it did, and polls
        return seconds
    process.kill()
    seconds = await seconds_until(is_taken, PATIENCE_S)
    cluster.end(name)
    cluster.start(name)
    return seconds


async def seconds_until_visible(cluster: Cluster, number: int) -> float:
    """From an admin's change at one gateway, confirmed, until the other serves it."""
    words = f"Changed for the {number}. time."
    here, there = ("one", "two") if number % 2 else ("two", "one")
    async with cluster.api(here) as one, cluster.api(there) as two:
        page = (await one.get("/api/v1/tools", params={"state": "active", "server": "s1", "limit": 1})).json()
        path = f"/api/v1/tools/{page['tools'][0]['tool_id']}"
        await two.get(path)  # so that it is remembered there as it was
        (await one.patch(path, json={"description": words})).raise_for_status()

        async def is_served() -> bool:
            return bool((await two.get(path)).json()["description_override"] == words)

        return await seconds_until(is_served, PATIENCE_S)


async def round_robin_errors(cluster: Cluster) -> int:
    """A client that asks both in turns with one session."""
    errors = 0
    async with cluster.api("one") as one, cluster.api("two") as two:
        opened = await one.post("/api/v1/search", json={"queries": ["read file"], "new_session": True})
        session = opened.raise_for_status().json()["session_id"]
        for number in range(100):
            asked = {"queries": [f"read file {number}"], "session_id": session}
            answer = await (one, two)[number % 2].post("/api/v1/search", json=asked)
            errors += answer.status_code != 200
    return errors


async def handshake_client(cluster: Cluster) -> tuple[int, int]:
    """A client of the handshake era: errors while it stays with the gateway that opened its session; and how often the
    other one answered that session with anything but 404, or did not serve it after a new handshake.
    """
    sticky = strays = 0
    async with cluster.api("one") as one, cluster.api("two") as two:
        opened = await _shake_hands(one)
        for _ in range(50):
            sticky += await _listed(one, opened) != _OK
        for _ in range(10):
            strays += await _listed(two, opened) != _NOT_FOUND
            strays += await _listed(two, await _shake_hands(two)) != _OK
        sticky += await _listed(one, opened) != _OK
    return sticky, strays


async def _shake_hands(http: httpx2.AsyncClient) -> Mapping[str, str]:
    """Headers of a new session."""
    hello = {
        "protocolVersion": HANDSHAKE_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "r17", "version": "1"},
    }
    answer = await _post(http, {"id": 1, "method": "initialize", "params": hello}, {})
    session = {
        "mcp-session-id": answer.raise_for_status().headers["mcp-session-id"],
        "mcp-protocol-version": HANDSHAKE_VERSION,
    }
    await _post(http, {"method": "notifications/initialized"}, session)
    return session


async def _listed(http: httpx2.AsyncClient, session: Mapping[str, str]) -> int:
    """The status of a list of tools."""
    return (await _post(http, {"id": 2, "method": "tools/list"}, session)).status_code


async def _post(http: httpx2.AsyncClient, message: Mapping[str, Any], session: Mapping[str, str]) -> httpx2.Response:
    headers = {"accept": "application/json, text/event-stream", **session}
    return await http.post("/mcp", json={"jsonrpc": "2.0", **message}, headers=headers)
