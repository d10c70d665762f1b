"""`toolcrib eval next-tool` and `need`, whole, on small folders in the data set form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domain.errors import InvalidInput
from gateway.evaluation.need import auroc, evaluate_need, requests_before
from gateway.evaluation.next_tool import evaluate_next_tool
from index.embedders.fake import HashingEmbedder

pytestmark = pytest.mark.anyio

TOOLS = [{"tool_id": name, "server": "s", "name": name, "description": f"does {name}"} for name in ("in", "go", "out")]


def silent(_stage: str, _done: int, _total: int) -> None:
    """Nobody is watching."""


def folder(path: Path, **files: Sequence[Mapping[str, Any]]) -> Path:
    for name, rows in {"tools": TOOLS, **files}.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def session(number: int, split: str, *tools: str) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [
        {"query": "please" if not place else None, "tool_id": t, "args": {}} for place, t in enumerate(tools)
    ]
    return {"session_id": f"{split}{number}", "split": split, "steps": steps}


async def test_next_tools_are_learnt_on_train_and_asked_of_test(tmp_path: Path) -> None:
    rows = [session(n, "train", "in", "go", "out") for n in range(6)] + [session(1, "test", "in", "go", "out")]
    found = await evaluate_next_tool(folder(tmp_path, sessions=rows), HashingEmbedder(), tmp_path / "cache", silent)
    assert (found["learnt_on"], found["steps"], found["split"]) == ("train", 2, "test")
    assert (found["hit@1"], found["hit@5"]) == (1.0, 1.0)
    assert found["markov1"] == {"hit@1": 1.0, "hit@5": 1.0}
    assert found["repeat"] == {"hit@1": 0.0, "hit@5": 0.0}


async def test_without_a_train_split_dev_teaches_and_without_both_the_shipped_prior_answers(tmp_path: Path) -> None:
    test = session(1, "test", "in", "go")
    rows = [session(n, "dev", "in", "go") for n in range(6)]
    found = await evaluate_next_tool(
        folder(tmp_path, sessions=[*rows, test]), HashingEmbedder(), tmp_path / "c", silent
    )
    assert (found["learnt_on"], found["hit@1"]) == ("dev", 1.0)
    alone = await evaluate_next_tool(folder(tmp_path, sessions=[test]), HashingEmbedder(), tmp_path / "c", silent)
    assert alone["learnt_on"] is None
    assert {name: alone[name] for name in ("hit@1", "hit@5")} == alone["prior"]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "no sessions"),
        ([session(1, "test", "in")], "no session of split 'test' with a call after another"),
        ([session(1, "test", "in", "unknown")], "line 1: it calls 'unknown'"),
        ([{"session_id": "x", "split": "test"}], "line 1: `steps` is no list"),
    ],
)
async def test_sessions_that_cannot_be_scored_are_refused(tmp_path: Path, rows: list[Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        await evaluate_next_tool(folder(tmp_path, sessions=rows), HashingEmbedder(), tmp_path / "c", silent)


NEED = [
    {"query": f"{('why is the sky blue', 'find the file')[number % 2]} {number}", "needs_tool": number % 2 == 1,
     "split": split}
    for split, count in (("train", 30), ("dev", 10), ("test", 10))
    for number in range(count)
]  # fmt: skip


async def test_need_is_learnt_on_train_and_dev_and_asked_of_test(tmp_path: Path) -> None:
    found = await evaluate_need(folder(tmp_path, need=NEED), HashingEmbedder(), tmp_path / "cache", silent)
    assert (found["learnt_on"], found["queries"]) == (40, 10)
    assert (found["auroc"], found["accuracy"]) == (1.0, 1.0)
    assert found["folds"]["auroc"]["low"] <= found["folds"]["auroc"]["mean"] <= found["folds"]["auroc"]["high"]


async def test_need_without_rows_to_learn_from_is_refused(tmp_path: Path) -> None:
    rows = [row for row in NEED if row["split"] == "test"]
    with pytest.raises(InvalidInput, match="it has test"):
        await evaluate_need(folder(tmp_path, need=rows), HashingEmbedder(), tmp_path / "cache", silent)


def test_no_request_that_is_judged_is_among_those_it_is_compared_with(tmp_path: Path) -> None:
    queries = [{"query": text, "split": split} for text, split in (("A  b", "train"), ("c", "train"), ("d", "test"))]
    assert requests_before(folder(tmp_path, queries=queries), ["a b"]) == ["c"]


def test_auroc_counts_ties_as_half() -> None:
    assert auroc(np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])) == 0.875
