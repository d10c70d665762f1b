"""A turn as JSON, with the tools to bind in the form of one provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.sessions import MemoryMode
from gateway.binding.forms import ToolForm, bind
from gateway.mcp.meta_tools import QUERIES, REMOVE_TOOLS, SEARCH_TOOLS
from gateway.presenters.sessions import change_json
from gateway.use_cases.turns import Holding, Turn

SEARCH: Mapping[str, Any] = {
    "name": SEARCH_TOOLS,
    "description": "Find tools by what they should do, or by name. What is found can be called from then on.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "queries": QUERIES,
        },
        "required": ["queries"],
    },
}
REMOVE: Mapping[str, Any] = {
    "name": REMOVE_TOOLS,
    "description": "Give back tools that are no longer needed, by their exact names.",
    "inputSchema": {
        "type": "object",
        "properties": {"names": {"type": "array", "items": {"type": "string"}}},
        "required": ["names"],
    },
}
"""As an agent loop binds them: it knows the session, so its model need not. Constant, for the prompt cache's sake."""


def own_tools(mode: MemoryMode) -> list[Mapping[str, Any]]:
    """What the agent of a mode has of Toolcrib's own (MemTool, table 1)."""
    match mode:
        case MemoryMode.WORKFLOW | MemoryMode.PASSTHROUGH:
            return []
        case MemoryMode.HYBRID:
            return [SEARCH]
        case _:
            return [SEARCH, REMOVE]


def holding_json(holding: Holding, form: ToolForm, *, defer: bool = False) -> dict[str, Any]:
    """The tools to bind. Raises InvalidInput for what the form cannot hold."""
    folded = [tool.definition for tool in holding.folded] if defer else None
    bound = bind(form, own_tools(holding.session.mode), [tool.definition for tool in holding.tools], folded)
    memory = holding.memory
    body: dict[str, Any] = {
        "session_id": holding.session.id,
        "mode": holding.session.mode,
        "turn": memory.turn,
        "format": form,
        "tools": bound.tools,
        "names": bound.names,
        "folded": [
            {"tool_id": line.tool_id, "reason": line.reason, "uses": line.uses} for line in memory.folded.values()
        ],
    }
    optional: dict[str, Any] = {
        "references": bound.references,
        "notes": bound.notes,
        "unbound": bound.unbound,
        "lost": holding.lost,
    }
    return body | {name: value for name, value in optional.items() if value}


def turn_json(turn: Turn, form: ToolForm, *, defer: bool = False) -> dict[str, Any]:
    """The tools to bind, and what became of the memory. Raises InvalidInput for what the form cannot hold."""
    return holding_json(turn.holding, form, defer=defer) | {
        "queries": turn.begun.queries,
        "abstained": [answer.ranking.query for answer in turn.answers if answer.ranking.abstained],
        "memory": change_json(turn.begun.change),
        "degraded": [*turn.begun.degraded, *_failed_stages(turn)],
    }


def _failed_stages(turn: Turn) -> list[str]:
    return list(dict.fromkeys(stage for answer in turn.answers for stage in answer.ranking.degraded))
