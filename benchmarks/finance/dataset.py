"""Writes the market as a data set folder: `toolcrib eval retrieval` and `toolcrib eval memory` read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.finance.catalogue import FinanceServer
from benchmarks.finance.dialogues import Dialogue

_README = """# Finance: 5,000 one-tool servers

Made by `python -m benchmarks.finance dataset DIR` (seed {seed}); the companies do not exist. Form: tools.jsonl,
queries.jsonl and sessions.jsonl of Toolcrib's data sets.

- `tools.jsonl`: {tools} tools, one for each figure of each company.
- `queries.jsonl`: {dialogues} dialogues of 100 turns; a turn asks for 0 to 10 figures, 5 in the mean where it asks.
  `subset` is `template` (the tools' own words) or `paraphrase` (other words, other sentences, a third of the companies
  by ticker). Words and sentences of the paraphrases in `dev` and `test` have nothing in common.
- `sessions.jsonl`: the same dialogues as calls.
"""


def write_dataset(folder: Path, servers: Sequence[FinanceServer], told: Sequence[Dialogue], seed: int) -> None:
    """Replace what the folder has of it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(_README.format(seed=seed, tools=len(servers), dialogues=len(told)))
    _write(folder / "tools.jsonl", map(_tool, servers))
    _write(folder / "queries.jsonl", map(_query, told))
    _write(folder / "sessions.jsonl", map(_session, told))


def _tool(server: FinanceServer) -> dict[str, Any]:
    tool = server.tool()
    return {
        "tool_id": server.tool_id,
        "server": server.title,
        "name": tool["name"],
        "description": tool["description"],
        "input_schema": tool["inputSchema"],
    }


def _query(dialogue: Dialogue) -> dict[str, Any]:
    turns = [{"query": turn.query, "gold": [server.tool_id for server in turn.gold]} for turn in dialogue.turns]
    return {
        "query_id": dialogue.dialogue_id,
        "query": dialogue.turns[0].query,
        "gold": sorted({tool_id for turn in turns for tool_id in turn["gold"]}),
        "split": dialogue.split,
        "subset": dialogue.style,
        "turns": turns,
    }


def _session(dialogue: Dialogue) -> dict[str, Any]:
    return {"session_id": dialogue.dialogue_id, "split": dialogue.split, "steps": list(_steps(dialogue))}


def _steps(dialogue: Dialogue) -> Iterator[dict[str, Any]]:
    for turn in dialogue.turns:
        for number, server in enumerate(turn.gold):
            yield {"query": None if number else turn.query, "tool_id": server.tool_id, "args": {}, "ok": True}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
