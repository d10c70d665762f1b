"""Keeps every credential of the database sealed under the newest key: at opening, and when an operator rotates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Row, Table, select, update

from store import credentials, held_launches, servers
from store.database import Database
from store.sealing import Sealer, key_id_of, missing_key, prefix
from store.servers import ServerRepository
from store.tables import CREDENTIALS, HELD_LAUNCHES, SERVERS

_SEALED: Sequence[tuple[Table, Column[Any], str]] = (
    (SERVERS, SERVERS.c.slug, servers.PURPOSE),
    (CREDENTIALS, CREDENTIALS.c.server, credentials.PURPOSE),
    (HELD_LAUNCHES, HELD_LAUNCHES.c.server, held_launches.PURPOSE),
)
"""Every table with a column `sealed`: who it belongs to, and the sealer's purpose."""


class Secrets:
    """What is sealed, as a whole."""

    def __init__(self, database: Database, sealer: Sealer, repository: ServerRepository) -> None:
        self._database = database
        self._sealer = sealer
        self._servers = repository

    async def check(self) -> None:
        """Raises SecretsUnavailable when something is sealed with a key that is not there. Writes nothing."""
        for key_id in await self._in_use():
            if self._sealer.keys.find(key_id) is None:
                raise missing_key(key_id, self._sealer.keys)

    async def seal_plain(self) -> int:
        """Seal what an earlier version left in the clear, and return how many servers that were.

        On SQLite the file is then rewritten, for deleted text stays in its free pages.
        """
        plain = await self._servers.plain()
        for server in plain:
            await self._servers.update(server)
        if plain:
            await self._database.scrub()
        return len(plain)

    async def rotate(self) -> int:
        """Seal everything anew under a new key, each row by itself, and return how many there were.

        Readers go on meanwhile: old keys stay until nothing needs them. Raises SecretsUnavailable.
        """
        self._sealer.keys.renew()
        newest = self._sealer.keys.newest().id
        count = 0
        for table, owner, purpose in _SEALED:
            query = select(table.c.tenant, owner.label("owner"), table.c.sealed).where(
                table.c.sealed.is_not(None), table.c.sealed.not_like(f"{prefix(newest)}%")
            )
            while rows := await self._database.rows(query):
                for row in rows:
                    count += await self._reseal(table, owner, purpose, row)
        self._sealer.keys.retire(await self._in_use())
        return count

    async def _reseal(self, table: Table, owner: Column[Any], purpose: str, row: Row[Any]) -> int:
        """1, or 0 when somebody changed the row meanwhile: it is looked at again."""
        context = (purpose, row.tenant, row.owner)
        sealed = self._sealer.seal(self._sealer.open(row.sealed, *context), *context)
        unchanged = (table.c.tenant == row.tenant, owner == row.owner, table.c.sealed == row.sealed)
        statement = update(table).where(*unchanged).values(sealed=sealed)
        return (await self._database.transaction(lambda connection: connection.execute(statement))).rowcount

    async def _in_use(self) -> set[str]:
        found: set[str] = set()
        for table, _, _ in _SEALED:
            rows = await self._database.rows(select(table.c.sealed).where(table.c.sealed.is_not(None)))
            found.update(key_id_of(row.sealed) for row in rows)
        return found
