"""The questions of tools: what agents asked before a call succeeded, and what operators had written for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.canonical import sha256_hex
from domain.catalogue import ChangeKind
from domain.questions import LEAST_USES, Question, QuestionSource, aged, digest
from store.changes import log_changes
from store.database import Database, chunks
from store.json_text import decode, encode
from store.notices import Notice, NoticeKind, announce
from store.tables import QUESTIONS

Key = tuple[str, str]
"""Tenant and tool id."""

MAX_KEPT = 1000
"""Usage questions of one tool. An index takes fewer, the most used; the rest are there for the day some are dropped."""

_KEYS = ("tenant", "tool_id", "key")


class QuestionRepository:
    """Every write tells the change log which tools it concerns, so that the indexes follow as they follow the tools."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, keys: Iterable[Key]) -> dict[Key, tuple[Question, ...]]:
        """The questions of some tools, ordered by text; tools without any are absent."""
        by_tenant: dict[str, list[str]] = {}
        for tenant, tool_id in dict.fromkeys(keys):
            by_tenant.setdefault(tenant, []).append(tool_id)
        found: dict[Key, list[Question]] = {}
        for tenant, tool_ids in by_tenant.items():
            for chunk in chunks(tool_ids):
                query = select(QUESTIONS).where(QUESTIONS.c.tenant == tenant, QUESTIONS.c.tool_id.in_(chunk))
                for row in await self._database.rows(query.order_by(QUESTIONS.c.tool_id, QUESTIONS.c.key)):
                    question = Question(decode(row.text), QuestionSource(row.source), row.uses, row.at)
                    found.setdefault((tenant, row.tool_id), []).append(question)
        return {key: tuple(questions) for key, questions in found.items()}

    async def digests(self) -> dict[Key, str]:
        """Of every tool that has questions: a hash that changes with their texts (domain.questions.digest)."""
        texts: dict[Key, list[str]] = {}
        for row in await self._database.rows(select(QUESTIONS.c.tenant, QUESTIONS.c.tool_id, QUESTIONS.c.text)):
            texts.setdefault((row.tenant, row.tool_id), []).append(decode(row.text))
        return {key: digest(of_tool) for key, of_tool in texts.items()}

    async def add(self, tenant: str, asked: Mapping[str, Sequence[Question]]) -> int:
        """Add uses to the questions of tools (by tool id); returns how many texts were not known yet.

        A question that is known keeps its source and gains the new uses, its old ones halved by age.
        """
        fresh = {
            (tool_id, _hash(question.text)): question for tool_id, of_tool in asked.items() for question in of_tool
        }
        if not fresh:
            return 0

        async def work(connection: AsyncConnection) -> int:
            known = await _known(connection, tenant, list(asked))
            rows = [
                _row(tenant, tool_id, key, _joined(known.get((tool_id, key)), question))
                for (tool_id, key), question in sorted(fresh.items(), key=lambda item: item[0])
            ]
            statement = self._database.insert(QUESTIONS)
            replaced = {column: statement.excluded[column] for column in ("source", "text", "uses", "at")}
            upsert = statement.on_conflict_do_update(index_elements=list(_KEYS), set_=replaced)
            for chunk in chunks(rows):
                await connection.execute(upsert, list(chunk))
            new = fresh.keys() - known.keys()
            await announce(connection, Notice(NoticeKind.INDEX))
            # Only new texts change what an index holds; uses alone are read when it is next made.
            await log_changes(connection, tenant, [(ChangeKind.UPSERT, tool) for tool in sorted({t for t, _ in new})])
            return len(new)

        return await self._database.transaction(work)

    async def replace(self, tenant: str, tool_id: str, source: QuestionSource, questions: Sequence[Question]) -> None:
        """Make these the tool's only questions of one source."""
        rows = {key: _row(tenant, tool_id, key, question) for question in questions if (key := _hash(question.text))}

        async def work(connection: AsyncConnection) -> None:
            of_source = (QUESTIONS.c.tenant == tenant, QUESTIONS.c.tool_id == tool_id, QUESTIONS.c.source == source)
            await connection.execute(delete(QUESTIONS).where(*of_source))
            if rows:
                insert = self._database.insert(QUESTIONS).on_conflict_do_nothing(index_elements=list(_KEYS))
                await connection.execute(insert, list(rows.values()))
            await announce(connection, Notice(NoticeKind.INDEX))
            await log_changes(connection, tenant, [(ChangeKind.UPSERT, tool_id)])

        await self._database.transaction(work)

    async def forget(self, now: float, *, tenant: str | None = None) -> int:
        """Delete usage questions that age has made worthless and the least used beyond MAX_KEPT of a tool, or with
        `tenant` all of that tenant's. Returns how many.
        """
        usage = QUESTIONS.c.source == QuestionSource.USAGE
        query = select(QUESTIONS).where(usage if tenant is None else usage & (QUESTIONS.c.tenant == tenant))
        rows = await self._database.rows(query)
        gone = _worthless(rows, now) if tenant is None else list(rows)
        tools: dict[str, set[str]] = {}
        for row in gone:
            tools.setdefault(row.tenant, set()).add(row.tool_id)

        async def work(connection: AsyncConnection) -> None:
            for row in gone:
                this = (
                    QUESTIONS.c.tenant == row.tenant,
                    QUESTIONS.c.tool_id == row.tool_id,
                    QUESTIONS.c.key == row.key,
                )
                # One that was asked again meanwhile stays.
                await connection.execute(delete(QUESTIONS).where(*this, QUESTIONS.c.at == row.at))
            await announce(connection, Notice(NoticeKind.INDEX))
            for owner, tool_ids in sorted(tools.items()):
                await log_changes(connection, owner, [(ChangeKind.UPSERT, tool_id) for tool_id in sorted(tool_ids)])

        if gone:
            await self._database.transaction(work)
        return len(gone)


def _worthless(rows: Sequence[Row[Any]], now: float) -> list[Row[Any]]:
    by_tool: dict[Key, list[tuple[float, Row[Any]]]] = {}
    for row in rows:
        by_tool.setdefault((row.tenant, row.tool_id), []).append((aged(row.uses, row.at, now), row))
    gone = []
    for of_tool in by_tool.values():
        of_tool.sort(key=itemgetter(0), reverse=True)
        gone += [row for rank, (worth, row) in enumerate(of_tool) if worth < LEAST_USES or rank >= MAX_KEPT]
    return gone


async def _known(connection: AsyncConnection, tenant: str, tool_ids: Sequence[str]) -> dict[tuple[str, str], Question]:
    found: dict[tuple[str, str], Question] = {}
    for chunk in chunks(tool_ids):
        query = select(QUESTIONS).where(QUESTIONS.c.tenant == tenant, QUESTIONS.c.tool_id.in_(chunk))
        for row in await connection.execute(query):
            source = QuestionSource(row.source)
            found[row.tool_id, row.key] = Question(decode(row.text), source, row.uses, row.at)
    return found


def _joined(known: Question | None, asked: Question) -> Question:
    if known is None:
        return asked
    at = max(known.at, asked.at)
    uses = aged(known.uses, known.at, at) + aged(asked.uses, asked.at, at)
    return Question(known.text, known.source, uses, at)


def _hash(text: str) -> str:
    return sha256_hex(text.casefold())


def _row(tenant: str, tool_id: str, key: str, question: Question) -> dict[str, object]:
    return {
        "tenant": tenant,
        "tool_id": tool_id,
        "key": key,
        "source": question.source.value,
        "text": encode(question.text),
        "uses": question.uses,
        "at": question.at,
    }
