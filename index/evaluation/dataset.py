"""Reads a folder in the data set form of interfaces.md section 2. Every error names the file and the line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from domain.errors import InvalidInput
from domain.tools import ToolDocument

_T = TypeVar("_T")


class Turns(StrEnum):
    """Which text a turn of a dialogue is scored on."""

    THIS = "this"  # the turn's own
    LAST_3 = "last-3"  # the turn's and the two before it, joined


@dataclass(frozen=True, slots=True)
class LabelledTool:
    """One row of tools.jsonl; `document` is what a server with this tool would have been stored as."""

    tool_id: str
    server: str
    document: ToolDocument


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """One scored text. `gold` are tool ids, or server names when `is_server_level`."""

    text: str
    gold: tuple[str, ...]
    split: str
    subset: str | None = None
    alternatives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # gold tool -> equally good tools
    is_server_level: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """Tools and scored queries of one folder."""

    name: str
    tools: tuple[LabelledTool, ...]
    queries: tuple[LabelledQuery, ...]


def load_dataset(folder: Path, *, split: str, turns: Turns = Turns.THIS) -> Dataset:
    """`split` takes every split whose name begins so. Queries, or turns, without gold are left out.

    Raises InvalidInput when the folder is no data set or nothing is left to score.
    """
    tools = read_tools(folder)
    rows = read_rows(folder / "queries.jsonl", lambda row: list(_queries(row, turns)))
    everything = [query for queries in rows for query in queries]
    chosen = tuple(query for query in everything if query.split.startswith(split))
    if not chosen:
        known = ", ".join(sorted({query.split for query in everything})) or "none"
        raise InvalidInput(f"{folder} has no queries with gold in a split that begins with {split!r}; it has {known}.")
    return Dataset(folder.resolve().name, tools, chosen)


def read_tools(folder: Path) -> tuple[LabelledTool, ...]:
    """The tools of a folder. Raises InvalidInput when there are none, or two of one id."""
    tools = tuple(read_rows(folder / "tools.jsonl", _tool))
    if not tools:
        raise InvalidInput(f"{folder / 'tools.jsonl'} holds no tools.")
    seen: set[str] = set()
    for line, tool in enumerate(tools, start=1):
        if tool.tool_id in seen:
            raise InvalidInput(f"{folder / 'tools.jsonl'}, tool {line}: the id {tool.tool_id!r} occurs twice.")
        seen.add(tool.tool_id)
    return tools


def read_rows(path: Path, parse: Callable[[Mapping[str, Any]], _T]) -> Iterator[_T]:
    """Every row of a file of JSON lines, parsed. Raises InvalidInput that names file and line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); a data set folder has this file.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8 text.") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield parse(_object(json.loads(line)))
        except json.JSONDecodeError as error:
            raise InvalidInput(f"{path}, line {number}: it is not JSON ({error.msg}).") from error
        except InvalidInput as error:
            raise InvalidInput(f"{path}, line {number}: {error.message}") from error


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidInput("it is not a JSON object.")
    return value


def _tool(row: Mapping[str, Any]) -> LabelledTool:
    tool_id = required_text(row, "tool_id")
    server = row.get("server") or ""
    if not isinstance(server, str):
        raise InvalidInput("`server` is neither text nor null.")
    raw = {
        "name": required_text(row, "name"),
        "description": row.get("description") or "",
        "inputSchema": row.get("input_schema") or {"type": "object"},
    }
    return LabelledTool(tool_id, server, ToolDocument.from_upstream(server, server, raw))


def _queries(row: Mapping[str, Any], turns: Turns) -> Iterator[LabelledQuery]:
    split, subset = required_text(row, "split"), row.get("subset")
    if row.get("turns"):
        said: list[str] = []
        for turn in row["turns"]:
            said.append(required_text(turn, "query"))
            text = said[-1] if turns is Turns.THIS else "\n".join(said[-3:])
            if gold := named_list(turn, "gold"):
                yield LabelledQuery(text, gold, split, subset)
        return
    text = required_text(row, "query")
    if servers := named_list(row, "gold_servers"):
        yield LabelledQuery(text, servers, split, subset, is_server_level=True)
    elif gold := named_list(row, "gold"):
        alternatives = row.get("gold_alternatives") or {}
        yield LabelledQuery(text, gold, split, subset, {tool: named_list(alternatives, tool) for tool in alternatives})


def required_text(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"`{key}` is missing or no text.")
    return value


def named_list(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value: Sequence[Any] = row.get(key) or ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        raise InvalidInput(f"`{key}` is no list of texts.")
    return tuple(dict.fromkeys(value))
