"""The three meta-tools. Their text says what is behind them; together they stay within 1,300 bytes of compact JSON.

The text is made from the live catalogue but changes only when a server comes or goes or the catalogue grows by
half, so that a provider's prompt cache keeps its prefix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SEARCH_TOOLS = "search_tools"
CALL_TOOL = "call_tool"
REMOVE_TOOLS = "remove_tools"
META_TOOLS = frozenset({SEARCH_TOOLS, CALL_TOOL, REMOVE_TOOLS})
QUERIES: Mapping[str, Any] = {
    "type": "array",
    "items": {"type": "string"},
    "minItems": 1,
    "description": "one short phrase per need",
}
BYTE_LIMIT = 1300
_STEPS = (1, 2, 3, 5, 7, 10)


@dataclass(frozen=True, slots=True)
class Behind:
    """What the meta-tools stand for."""

    servers: tuple[str, ...]  # slugs, sorted
    tools: int


def definitions(behind: Behind) -> list[dict[str, Any]]:
    """The tool definitions, naming as many servers as fit."""
    names = list(behind.servers)
    while True:
        tools = _definitions(_summary(behind.tools, names, len(behind.servers)))
        if len(compact(tools)) <= BYTE_LIMIT or not names:
            return tools
        names.pop()


def instructions(behind: Behind) -> str:
    """What a client puts in front of its model."""
    return (
        f"Toolcrib stands in front of {_summary(behind.tools, behind.servers[:40], len(behind.servers))} "
        "None of them is listed: call search_tools first with one short query per need, then call_tool with a name "
        "and arguments that fit the schema it returned. Pass the session handle on, and give back with remove_tools "
        "what you no longer need."
    )


def compact(value: Sequence[Mapping[str, Any]]) -> bytes:
    """Compact JSON, as it travels."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _summary(tools: int, names: Sequence[str], servers: int) -> str:
    if not tools:
        return "no tools yet: an admin has to register servers."
    rest = servers - len(names)
    listed = ", ".join(names) + (f" and {rest} more" if names and rest else "")
    return f"{rounded(tools)} tools of {servers} servers{f' ({listed})' if listed else ''}."


def rounded(count: int) -> str:
    """`57` becomes `50+`: a number that most syncs leave as it is."""
    if count < 10:  # noqa: PLR2004 - a small number is said as it is
        return str(count)
    power = 10 ** (len(str(count)) - 1)
    return f"{max(step * power for step in _STEPS if step * power <= count):,}+"


def _definitions(summary: str) -> list[dict[str, Any]]:
    session = {"type": "string", "description": "handle from an earlier answer"}
    return [
        {
            "name": SEARCH_TOOLS,
            "description": f"Find tools by what they should do, or by name. Behind this: {summary} "
            "Search before you say that no tool exists. Answers carry names, full schemas and a session handle.",
            "inputSchema": {
                "type": "object",
                "properties": {
                    "queries": QUERIES,
                    "session": session,
                },
                "required": ["queries"],
            },
            "annotations": {"readOnlyHint": True},
        },
        {
            "name": CALL_TOOL,
            "description": "Call a found tool by its exact name.",
            "inputSchema": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "arguments": {"type": "object"}, "session": session},
                "required": ["name"],
            },
        },
        {
            "name": REMOVE_TOOLS,
            "description": "Give back tools that are no longer needed.",
            "inputSchema": {
                "type": "object",
                "properties": {"names": {"type": "array", "items": {"type": "string"}}, "session": session},
                "required": ["names", "session"],
            },
        },
    ]
