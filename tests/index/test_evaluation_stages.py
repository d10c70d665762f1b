"""Evaluation through the stages that models make possible: what is measured is what the product answers with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from index.embedders.fake import HashingEmbedder
from index.evaluation.retrieval import RetrievalEvaluation, evaluate_retrieval
from index.model_ports import ToolTexts
from index.rerank import RerankedSearch, RerankStage
from index.rerankers.fake import SharedWordsReranker
from index.searcher import Searcher
from index.toolshed import ToolshedSearch
from tests.index.test_evaluation import QUERIES, folder

pytestmark = pytest.mark.anyio

SCORED = 4


class Splits:
    """A language model that takes a request apart at its comma."""

    model = "splits"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, instructions: str, prompt: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        del instructions, schema
        self.asked.append(prompt)
        return {"rewritten": prompt, "steps": [{"need": need, "variations": []} for need in prompt.split(", then ")]}


async def test_the_toolshed_is_scored_with_its_model_and_its_reranker(tmp_path: Path) -> None:
    chat = Splits()

    def stages(index: Searcher, texts: ToolTexts) -> Searcher:
        return ToolshedSearch(index, chat, RerankStage(SharedWordsReranker(), texts))

    asked = RetrievalEvaluation(folder(tmp_path), profile="toolshed")
    result = await evaluate_retrieval(asked, HashingEmbedder(), tmp_path / "cache", stages=stages)
    assert result["queries"] == SCORED
    assert result["recall@5"] == 1.0
    assert {query["query"] for query in QUERIES[:SCORED]} <= set(chat.asked)


async def test_the_reranker_reads_the_tools_of_the_data_set(tmp_path: Path) -> None:
    read: list[str] = []

    class Listening(SharedWordsReranker):
        async def scores(self, query: str, documents: Any) -> list[float]:
            read.extend(documents)
            return await super().scores(query, documents)

    def stages(index: Searcher, texts: ToolTexts) -> Searcher:
        return RerankedSearch(index, RerankStage(Listening(), texts))

    where = folder(tmp_path)
    for profile, is_read in (("hybrid", True), ("dense", False)):
        read.clear()
        asked = RetrievalEvaluation(where, profile=profile)
        await evaluate_retrieval(asked, HashingEmbedder(), tmp_path / "cache", stages=stages)
        assert ("writes a note take note" in read) is is_read
