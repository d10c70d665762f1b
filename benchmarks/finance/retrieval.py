"""Recall@10 and MAP@10 over the market, without a language model, beside what the paper reached with one.

Each turn of the dialogues of `test` that asks for figures is a query. With 0, 5 and 10 questions for each tool in the
index (ScaleMCP's synthetic questions, written by hand once for each figure). The row `names alone` asks the same turns
with nothing but their companies: what is above it was not solved by the name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from benchmarks.finance.catalogue import TENANT, FinanceServer
from benchmarks.finance.dialogues import Dialogue, Turn
from benchmarks.finance.wording import PARAPHRASE, TEMPLATE
from benchmarks.report import Promise
from index.embedders.minilm import MiniLMEmbedder
from index.evaluation.file_cache import FileVectorCache
from index.evaluation.metrics import all_metrics, gains
from index.ports import IndexDocument, SearchRequest
from index.tool_index import ToolIndex, open_index

PAPER = {"recall@10": 0.94, "map@10": 0.59}
"""The best of ScaleMCP's table: an embedding model and a reranker that is a language model."""

QUESTIONS = (0, 5, 10)
NAMES_ALONE = "names alone"
_SHOWN = ("recall@5", "recall@10", "map@10", "complete@10")
_BATCH = 100

Scores = Mapping[str, Mapping[str, float]]
"""All, template and paraphrase -> metric -> mean over queries."""


async def measure_retrieval(
    folder: Path, servers: Sequence[FinanceServer], told: Sequence[Dialogue], bar: Progress, split: str = "test"
) -> tuple[list[Promise], dict[str, Any]]:
    """One index, asked before and after questions are added."""
    asked = [(one.style, turn) for one in told if one.split == split for turn in one.turns if turn.gold]
    rows: dict[str, Scores] = {}
    index = await open_index(MiniLMEmbedder(), cache=FileVectorCache(folder / "vectors"), path=folder / "index")
    try:
        for count in QUESTIONS:
            await _fill(index, servers, count, bar)
            rows[f"{count} questions"] = await _score(index, asked, bar, f"asking, {count} questions")
            if not count:
                alone = [(style, Turn(_names(turn), turn.gold)) for style, turn in asked]
                rows[NAMES_ALONE] = await _score(index, alone, bar, f"asking, {NAMES_ALONE}")
    finally:
        await index.close()
    best = max((name for name in rows if name != NAMES_ALONE), key=lambda name: rows[name]["all"]["recall@10"])
    promises = [
        Promise(f"retrieval_{metric}_{name.replace(' ', '_')}", rows[name]["all"][metric], bound, at_most=False)
        for name in dict.fromkeys(("0 questions", best))
        for metric, bound in PAPER.items()
    ]
    return promises, {"split": split, "queries": len(asked), "rows": rows, "paper": PAPER}


def table(rows: Mapping[str, Scores]) -> str:
    """As Markdown, the paper's row last."""
    lines = [f"| | queries | {' | '.join(_SHOWN)} |", f"|---|---|{'---|' * len(_SHOWN)}"]
    for name, scores in rows.items():
        for group, means in scores.items():
            lines.append(f"| {name} | {group} | {' | '.join(f'{means[metric]:.3f}' for metric in _SHOWN)} |")
    paper = " | ".join(f"{PAPER[metric]:.2f}" if metric in PAPER else "" for metric in _SHOWN)
    return "\n".join([*lines, f"| ScaleMCP, best with an LLM reranker | all | {paper} |"])


async def _fill(index: ToolIndex, servers: Sequence[FinanceServer], questions: int, bar: Progress) -> None:
    task = bar.add_task(f"indexing, {questions} questions", total=len(servers))
    for start in range(0, len(servers), _BATCH):
        batch = servers[start : start + _BATCH]
        await index.upsert([_document(server, questions) for server in batch])
        bar.advance(task, len(batch))
    await index.advance(questions + 1)


async def _score(index: ToolIndex, asked: Sequence[tuple[str, Turn]], bar: Progress, name: str) -> Scores:
    task = bar.add_task(name, total=len(asked))
    found: dict[str, list[dict[str, float]]] = {"all": [], TEMPLATE: [], PARAPHRASE: []}
    for style, turn in asked:
        [ranking] = await index.search(SearchRequest(TENANT, (turn.query,), 10))
        gold = [server.tool_id for server in turn.gold]
        scores = all_metrics(gains([candidate.tool_id for candidate in ranking.candidates], gold), len(gold))
        for group in ("all", style):
            found[group].append(scores)
        bar.advance(task)
    return {
        group: {metric: round(float(np.mean([row[metric] for row in rows])), 4) for metric in rows[0]}
        for group, rows in found.items()
        if rows
    }


def _document(server: FinanceServer, questions: int) -> IndexDocument:
    document = server.document()
    return IndexDocument(
        TENANT,
        server.tool_id,
        server.slug,
        document.text,
        document.semantic_hash,
        questions + 1,
        questions=server.questions(questions),
    )


def _names(turn: Turn) -> str:
    return ", ".join(dict.fromkeys(server.company.name for server in turn.gold))
