"""What each tenant has set of the rules of its event log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from store.database import Database
from store.json_text import decode, encode
from store.tables import LOG_RULES


class LogRulesRepository:
    """Values by the names of `domain.log_rules.LogRules`; what a tenant has not set is not there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, dict[str, Any]]:
        """Tenant -> what it has set."""
        return {row.tenant: decode(row.rules) for row in await self._database.rows(select(LOG_RULES))}

    async def put(self, tenant: str, changes: Mapping[str, Any]) -> None:
        """Replace everything that a tenant has set."""
        insert = self._database.insert(LOG_RULES).values(tenant=tenant, rules=encode(changes))
        upsert = insert.on_conflict_do_update(
            index_elements=[LOG_RULES.c.tenant], set_={"rules": insert.excluded.rules}
        )
        await self._database.transaction(lambda connection: connection.execute(upsert))
