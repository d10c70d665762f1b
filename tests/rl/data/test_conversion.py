"""Data sets become logs that read back as they were written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.trajectories import StepKind
from rl.data.conversion import convert, write
from rl.data.forest import forest, judgements
from rl.data.reading import read_export

TOOLS = [{"tool_id": name, "server": "s", "name": name, "description": f"does {name}"} for name in ("in", "out")]


def folder(path: Path, **files: list[dict[str, Any]]) -> Path:
    for name, rows in {"tools": TOOLS, **files}.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


SESSION = {
    "session_id": "one",
    "split": "train",
    "steps": [
        {"query": "go in", "tool_id": "in", "args": {"door": 1}, "ok": True},
        {"query": None, "tool_id": "out", "args": {}, "ok": False},
    ],
}
QUERY = {"query_id": "q", "query": "leave", "gold": ["out"], "split": "train"}


def test_recorded_sessions_become_chains_of_calls_without_propensities(tmp_path: Path) -> None:
    steps = convert(folder(tmp_path, sessions=[SESSION]))
    [root] = forest(steps)
    assert [step.action["tool_id"] for step in root.leaves[0].path] == ["in", "out"]
    assert [step.outcome for step in steps] == ["ok", "tool_error"]
    assert {step.propensity for step in steps} == {None}
    write(steps, "a test", tmp_path / "log.jsonl")
    again = read_export(tmp_path / "log.jsonl")
    assert (list(again.steps), again.source) == (steps, "a test")


def test_labelled_queries_become_judged_calls(tmp_path: Path) -> None:
    steps = convert(folder(tmp_path, queries=[QUERY]))
    assert [step.kind for step in steps] == [StepKind.CALL, StepKind.FEEDBACK]
    assert judgements(steps) == {steps[0].id: 1.0}


def test_a_split_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="nothing in a split"):
        convert(folder(tmp_path, sessions=[SESSION]), "dev")
