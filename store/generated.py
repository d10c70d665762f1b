"""What language models wrote, by what it depends on: asked for once, and not again when the same text comes back."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from store.database import Database, chunks
from store.json_text import decode, encode
from store.tables import GENERATED


class GeneratedRepository:
    """Texts by key. A key stands for one prompt under one model, so what is kept never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get_many(self, tenant: str, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The known ones; unknown keys are absent."""
        found: dict[str, tuple[str, ...]] = {}
        for chunk in chunks(list(dict.fromkeys(keys))):
            query = select(GENERATED).where(GENERATED.c.tenant == tenant, GENERATED.c.key.in_(chunk))
            found |= {row.key: tuple(decode(row.texts)) for row in await self._database.rows(query)}
        return found

    async def put(self, tenant: str, key: str, texts: Sequence[str]) -> None:
        """Keep what was written; a key that exists already is left as it is."""
        row = {"tenant": tenant, "key": key, "texts": encode(list(texts))}
        insert = self._database.insert(GENERATED).values(row)
        statement = insert.on_conflict_do_nothing(index_elements=[GENERATED.c.tenant, GENERATED.c.key])
        await self._database.transaction(lambda connection: connection.execute(statement))
