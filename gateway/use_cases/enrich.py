"""Enrichment: a language model writes the questions that tools answer, once for each text of a tool.

In steps that a caller repeats: each is short, and what it did is kept. A run that was broken off, or that follows a
change of some tools, asks the model only for what it has not answered yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.errors import InvalidInput, ModelUnavailable
from domain.identity import Principal
from domain.questions import Question, QuestionSource
from domain.tools import ToolState
from index.enrichment.writer import NoQuestions, QuestionWriter
from index.model_ports import ChatModel
from policy_client.http.failures import ModelNonsense
from store.store import Store
from store.tool_rows import IndexableTool
from sync.indexer import Indexer

AT_ONCE = 4
"""Tools that the model is asked about at a time."""

STEP = 16


@dataclass(frozen=True, slots=True)
class EnrichStep:
    """What one step did. `after`: where the next one begins; None when all tools were looked at."""

    tools: int
    asked: int  # of the model
    questions: int  # that the tools have now
    failed: tuple[str, ...]  # tools for which the model wrote nothing usable
    after: str | None


class Enrich:
    """The use case. Without a language model every step raises InvalidInput."""

    def __init__(self, store: Store, indexer: Indexer, chat: ChatModel | None) -> None:
        self._store = store
        self._indexer = indexer
        self._chat = chat

    async def step(self, principal: Principal, *, server: str | None = None, after: str = "") -> EnrichStep:
        """The next tools behind the id `after`. Raises InvalidInput, Unavailable, and ModelUnavailable when the model
        does not answer at all; what it answered until then is kept.
        """
        if self._chat is None:
            raise InvalidInput("No language model is configured; set TOOLCRIB_LLM_URL and TOOLCRIB_LLM_MODEL.")
        writer = QuestionWriter(self._chat)
        tenant = principal.tenant
        page = await self._store.catalogue.page(tenant, server=server, state=ToolState.ACTIVE, after=after, limit=STEP)
        tools = await self._store.catalogue.documents((tenant, tool.tool_id) for tool in page)
        written = dict(await self._store.generated.get_many(tenant, [writer.key(tool.semantic_hash) for tool in tools]))
        missing = [tool for tool in tools if writer.key(tool.semantic_hash) not in written]
        failed, broken = await self._write(writer, missing, written)
        questions = await self._apply(tools, {tool.tool_id: writer.key(tool.semantic_hash) for tool in tools}, written)
        if broken is not None:
            raise broken
        self._indexer.wake()
        last = page[-1].tool_id if len(page) == STEP else None
        return EnrichStep(len(tools), len(missing), questions, failed, last)

    async def _write(
        self, writer: QuestionWriter, tools: Sequence[IndexableTool], written: dict[str, tuple[str, ...]]
    ) -> tuple[tuple[str, ...], ModelUnavailable | None]:
        """Fill `written`; the tools that have nothing, and why the model could not be asked any more."""
        slots = asyncio.Semaphore(AT_ONCE)
        failed: list[str] = []
        broken: list[ModelUnavailable] = []

        async def one(tool: IndexableTool) -> None:
            async with slots:
                if broken:
                    return
                key = writer.key(tool.semantic_hash)
                try:
                    written[key] = await writer.write(tool.text)
                except (NoQuestions, ModelNonsense):
                    failed.append(tool.tool_id)
                except ModelUnavailable as error:
                    broken.append(error)
                else:
                    await self._store.generated.put(tool.tenant, key, written[key])

        await asyncio.gather(*(one(tool) for tool in tools))
        return tuple(sorted(failed)), next(iter(broken), None)

    async def _apply(
        self, tools: Sequence[IndexableTool], keys: Mapping[str, str], written: Mapping[str, tuple[str, ...]]
    ) -> int:
        """Make what was written the tools' questions, where it is not yet; how many questions that makes."""
        held = await self._store.questions.of((tool.tenant, tool.tool_id) for tool in tools)
        count = 0
        for tool in tools:
            texts = written.get(keys[tool.tool_id], ())
            count += len(texts)
            of_tool = held.get((tool.tenant, tool.tool_id), ())
            if texts and _differ(texts, of_tool):
                questions = [Question(text, QuestionSource.MODEL, at=time.time()) for text in texts]
                await self._store.questions.replace(tool.tenant, tool.tool_id, QuestionSource.MODEL, questions)
        return count


def _differ(texts: Sequence[str], held: Sequence[Question]) -> bool:
    """Whether the tool has a written question that is not among these, or lacks one of these, whoever asked it."""
    wanted = {text.casefold() for text in texts}
    written = {question.text.casefold() for question in held if question.source is QuestionSource.MODEL}
    return not written <= wanted <= {question.text.casefold() for question in held}
