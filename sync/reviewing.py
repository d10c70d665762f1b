"""Compares a listing with the catalogue and with what is under review; reads from the store only what that takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from domain.catalogue import CatalogueDiff
from domain.servers import UpstreamServer
from domain.tools import CatalogueTool, ToolDocument
from store.store import Store
from sync.diff import diff
from sync.sifting import Sieve, sift


async def compare(
    store: Store,
    server: UpstreamServer,
    known: Sequence[CatalogueTool],
    listed: Sequence[ToolDocument],
    at: float,
) -> CatalogueDiff:
    """What a complete listing changes, less what waits for a review. Nothing is read for a server that lists what it
    listed before, unless something of it is held.
    """
    tenant, slug = server.tenant, server.slug
    held = {change.tool.tool_id: change for change in await store.held_tools.list(tenant, slug)} if server.held else {}
    reserved = {change.tool.document.name: tool_id for tool_id, change in held.items()}
    changes = diff(known, listed, tenant, slug, server.generation + 1, reserved)
    changes = replace(changes, approved_by=f"policy:{server.review}")
    if not (changes.added or changes.changed or held):
        return changes
    sieve = Sieve(
        policy=server.review,
        held=held,
        pinned=await store.held_tools.pins(tenant, slug) if known else frozenset(),
        twins=await store.catalogue.lookalikes(tenant, slug, [tool.document.name for tool in changes.added]),
    )
    return sift(changes, known, sieve, at)
