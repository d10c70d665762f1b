"""The one check of what must hold after anything: store and index equal, the record whole, the truth the servers'."""

from __future__ import annotations

from dataclasses import dataclass

import httpx2
from sqlalchemy import func, select

from domain.tools import ToolState
from store.store import Store
from store.tables import INDEX_CHANGES, SERVERS, TOOL_VERSIONS, TOOLS
from tests.chaos.parts import seconds_until

TENANT = "default"


@dataclass(frozen=True, slots=True)
class Convergence:
    """How long it took until the index was equal to the store, and what was wrong after that."""

    seconds: float
    tools: int
    faults: tuple[str, ...]


async def assert_converged(http: httpx2.AsyncClient, store: Store, *, patience_s: float = 30.0) -> Convergence:
    """Wait until the gateway's index holds what the store has, and look at the record. `store`: a handle of our own."""
    tools = 0

    async def is_equal() -> bool:
        nonlocal tools
        try:
            found = (await http.post("/api/v1/index/reconcile")).raise_for_status().json()
        except httpx2.HTTPError:
            return False
        tools = found["tools"]
        return bool(found["written"] == found["dropped"] == 0)

    seconds = await seconds_until(is_equal, patience_s, every_s=0.1)
    faults = [] if seconds < patience_s else ["the index never became equal to the store"]
    return Convergence(seconds, tools, (*faults, *await record_faults(store)))


async def record_faults(store: Store) -> list[str]:
    """What is wrong with the record: gaps in the change log, tools without a version, half a generation."""
    faults = []
    counted = select(func.count().label("n"), func.coalesce(func.max(INDEX_CHANGES.c.seq), 0).label("last"))
    (log,) = await store._database.rows(counted)
    count, last = int(log.n), int(log.last)
    if count != last:
        faults.append(f"the change log has {count} rows and ends at {last}")
    if last > await store.changes.head():
        faults.append("the change log is ahead of its counter")
    version = (TOOL_VERSIONS.c.tool_id == TOOLS.c.tool_id) & (TOOL_VERSIONS.c.contract_hash == TOOLS.c.contract_hash)
    unversioned = select(func.count()).where(~select(TOOL_VERSIONS.c.seq).where(version).exists())
    (row,) = await store._database.rows(unversioned.select_from(TOOLS))
    if row[0]:
        faults.append(f"{row[0]} tools have no version")
    # In one statement: between two of them a sync may commit.
    of_server = (TOOLS.c.tenant == SERVERS.c.tenant) & (TOOLS.c.server == SERVERS.c.slug)
    newest = func.max(TOOLS.c.generation)
    ahead = select(SERVERS.c.slug, SERVERS.c.generation, newest.label("newest")).join(TOOLS, of_server)
    ahead = ahead.where(TOOLS.c.state == ToolState.ACTIVE.value).group_by(SERVERS.c.slug, SERVERS.c.generation)
    rows = await store._database.rows(ahead.having(newest > SERVERS.c.generation))
    return [*faults, *(f"{row.slug} is at generation {row.generation}, a tool of it at {row.newest}" for row in rows)]


async def untrue(store: Store, server: str, offered: dict[str, str]) -> int:
    """How many tools of a server differ from what it offers (name -> description)."""
    known = await store.catalogue.known(TENANT, server)
    held = {tool.document.name: str(tool.document.raw["description"]) for tool in known if _is_active(tool.state)}
    return len(set(held.items()) ^ set(offered.items()))


def _is_active(state: ToolState) -> bool:
    return state is ToolState.ACTIVE
