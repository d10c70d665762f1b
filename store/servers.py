"""Registered servers. Environment, headers and private parts of the URL are sealed and leave only inside `Launch`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.catalogue import ChangeKind
from domain.errors import Conflict, NameTaken, SecretsUnavailable, ServerNotFound, ToolcribError
from domain.failpoints import failpoint
from domain.servers import Launch, ReviewPolicy, Sharing, Transport, UpstreamServer
from domain.tools import ToolState
from store.batches import Batches
from store.changes import log_changes
from store.database import Database, by_tenant, chunks
from store.json_text import decode, encode
from store.launches import launch_columns, launch_of
from store.notices import Notice, NoticeKind, announce
from store.sealing import Sealer
from store.tables import CREDENTIALS, HELD_LAUNCHES, HELD_TOOLS, SERVERS, SYNC_RUNS, TOOL_PINS, TOOLS

UNHURRIED_S = 0.05

PURPOSE = "launch"
"""What these sealed values are for, as the sealer's context says it."""

_OF_SERVER = (CREDENTIALS, SYNC_RUNS, HELD_TOOLS, HELD_LAUNCHES, TOOL_PINS)
"""What goes with a server."""

NO_SECRETS = encode({"env": {}, "headers": {}})


class ServerRepository:
    """One row per server and tenant. `generation` moves only with the catalogue (store/catalogue.py)."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._gets: Batches[tuple[str, str], UpstreamServer] = database.batches(self._get_many)
        self._later_gets: Batches[tuple[str, str], UpstreamServer] = database.batches(self._get_many, UNHURRIED_S)
        self._made: dict[tuple[str, str], tuple[tuple[Any, ...], UpstreamServer]] = {}  # the row, and what it says

    async def add(self, server: UpstreamServer) -> None:
        """Register a server as never synced. Raises NameTaken, SecretsUnavailable."""
        row = {**_columns(server, self._sealer), "tenant": server.tenant, "slug": server.slug, "generation": 0}

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(insert(SERVERS).values(row))
            await announce(connection, Notice(NoticeKind.SERVER, server.tenant, server.slug))

        try:
            await self._database.transaction(work)
        except Conflict as error:
            raise NameTaken(
                f"A server named {server.slug!r} is registered already; choose another name or remove that one first."
            ) from error

    async def get(self, tenant: str, slug: str) -> UpstreamServer:
        """One server by name. Raises ServerNotFound, SecretsUnavailable."""
        return await self._gets.do((tenant, slug))

    async def get_unhurried(self, tenant: str, slug: str) -> UpstreamServer:
        """The same, gathered with what others want to know of about now."""
        return await self._later_gets.do((tenant, slug))

    async def everywhere(self) -> list[UpstreamServer]:
        """The servers of all tenants, for the parts that serve the whole installation."""
        return await self._read_all(select(SERVERS).order_by(SERVERS.c.tenant, SERVERS.c.slug))

    async def update(self, server: UpstreamServer) -> None:
        """Replace all but generation and the count of what is held, which are the store's own.

        Raises ServerNotFound, and SecretsUnavailable for an unreadable one: its credentials would be lost.
        """
        if server.unreadable is not None:
            raise SecretsUnavailable(server.unreadable)
        key = (SERVERS.c.tenant == server.tenant, SERVERS.c.slug == server.slug)
        change = update(SERVERS).where(*key).values(_columns(server, self._sealer))

        async def work(connection: AsyncConnection) -> None:
            if (await connection.execute(change)).rowcount == 0:
                raise _not_found(server.slug)
            await announce(connection, Notice(NoticeKind.SERVER, server.tenant, server.slug))

        await self._database.transaction(work)

    async def remove(self, tenant: str, slug: str) -> None:
        """Forget a server and its sync runs; its tools become tombstones and leave the index. Raises ServerNotFound.

        The tombstones keep the tool ids: a server registered again under this name gets the same ones.
        """
        active = (TOOLS.c.tenant == tenant, TOOLS.c.server == slug, TOOLS.c.state == ToolState.ACTIVE)

        async def work(connection: AsyncConnection) -> None:
            gone = await connection.execute(delete(SERVERS).where(SERVERS.c.tenant == tenant, SERVERS.c.slug == slug))
            if gone.rowcount == 0:
                raise _not_found(slug)
            failpoint("store.server_forgotten")
            for table in _OF_SERVER:
                await connection.execute(delete(table).where(table.c.tenant == tenant, table.c.server == slug))
            tool_ids = (await connection.execute(select(TOOLS.c.tool_id).where(*active))).scalars().all()
            await connection.execute(update(TOOLS).where(*active).values(state=ToolState.REMOVED.value))
            failpoint("store.server_removed")
            await announce(connection, Notice(NoticeKind.SERVER, tenant, slug))
            await log_changes(connection, tenant, [(ChangeKind.DELETE, tool_id) for tool_id in tool_ids])

        await self._database.transaction(work)
        self._made.pop((tenant, slug), None)

    async def plain(self) -> list[UpstreamServer]:
        """Servers of all tenants whose credentials an earlier version left in the clear; `update` seals them."""
        rows = await self._database.rows(select(SERVERS))
        return [_server(row, self._sealer) for row in rows if _is_plain(row)]

    async def _get_many(self, keys: Sequence[tuple[str, str]]) -> Sequence[UpstreamServer | ToolcribError]:
        found: dict[tuple[str, str], UpstreamServer] = {}
        for tenant, slugs in by_tenant(keys).items():
            for chunk in chunks(slugs):
                query = select(SERVERS).where(SERVERS.c.tenant == tenant, SERVERS.c.slug.in_(chunk))
                found |= {(server.tenant, server.slug): server for server in await self._read_all(query)}
        return [_usable(found.get(key), key[1]) for key in keys]

    async def _read_all(self, query: Select[Any]) -> list[UpstreamServer]:
        """One row that cannot be opened does not hide the others: it comes `unreadable` and switched off."""
        return [self._server(row) for row in await self._database.rows(query)]

    def _server(self, row: Row[Any]) -> UpstreamServer:
        """The same object as long as the row is the same: thousands are read again and again, and opened once."""
        key, columns = (row.tenant, row.slug), tuple(row)
        known = self._made.get(key)
        if known is None or known[0] != columns:
            known = self._made[key] = columns, _server_or_husk(row, self._sealer)
        return known[1]

    async def list(self, tenant: str) -> list[UpstreamServer]:
        """A tenant's servers by name."""
        return await self._read_all(select(SERVERS).where(SERVERS.c.tenant == tenant).order_by(SERVERS.c.slug))


def _usable(server: UpstreamServer | None, slug: str) -> UpstreamServer | ToolcribError:
    if server is None:
        return _not_found(slug)
    return server if server.unreadable is None else SecretsUnavailable(server.unreadable)


def _not_found(slug: str) -> ServerNotFound:
    return ServerNotFound(f"No server named {slug!r} is registered; `toolcrib servers list` shows the ones that are.")


def _columns(server: UpstreamServer, sealer: Sealer) -> dict[str, Any]:
    return {
        **launch_columns(server.launch, sealer, PURPOSE, server.tenant, server.slug),
        "title": server.title,
        "enabled": server.enabled,
        "trusted": server.trusted,
        "allow_private": server.allow_private,
        "sharing": server.sharing.value,
        "review": server.review.value,
        "secrets": NO_SECRETS,
    }


def _server_or_husk(row: Row[Any], sealer: Sealer) -> UpstreamServer:
    try:
        return _server(row, sealer)
    except SecretsUnavailable as error:
        return replace(_made(row, {}), enabled=False, unreadable=error.message)


def _server(row: Row[Any], sealer: Sealer) -> UpstreamServer:
    hidden = sealer.open(row.sealed, PURPOSE, row.tenant, row.slug) if row.sealed is not None else {}
    if row.secrets != NO_SECRETS:  # written by a version before sealing, and not yet sealed
        hidden |= decode(row.secrets)
    return _made(row, hidden)


def _made(row: Row[Any], hidden: Mapping[str, Any]) -> UpstreamServer:
    return UpstreamServer(
        tenant=row.tenant,
        slug=row.slug,
        title=row.title,
        launch=launch_of(row, hidden),
        enabled=row.enabled,
        generation=row.generation,
        trusted=row.trusted,
        allow_private=row.allow_private,
        review=ReviewPolicy(row.review),
        held=row.held,
        sharing=Sharing(row.sharing),
    )


def _is_plain(row: Row[Any]) -> bool:
    """Whether a row holds credentials in the clear: a version before sealing wrote it."""
    if row.secrets != NO_SECRETS:
        return True
    return row.url is not None and Launch(Transport(row.transport), url=row.url).display != row.url
