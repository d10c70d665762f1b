"""Tool arrays as MCP, OpenAI and Anthropic take them, and their forms for tools that are loaded only when found.

Sources: MCP `tools/list`; OpenAI Chat Completions `tools` and Responses `tools` with `tool_search`; Anthropic Messages
`tools` with `tool_search_tool_bm25` and `tool_reference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from domain.errors import InvalidInput
from gateway.binding.schemas import bound_schema

OPENAI_TOOLS = 128
OPENAI_DESCRIPTION = 1024
_ELLIPSIS = "..."


class ToolForm(StrEnum):
    """Whose tool array it is."""

    MCP = "mcp"
    OPENAI = "openai"  # Chat Completions
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC = "anthropic"

    @property
    def defers(self) -> bool:
        """Whether there is a form for tools that stay out of the prompt until they are found."""
        return self in {ToolForm.OPENAI_RESPONSES, ToolForm.ANTHROPIC}

    def require_deferral(self) -> None:
        """Raises InvalidInput for a form without deferred loading."""
        if not self.defers:
            those = " or ".join(one.value for one in ToolForm if one.defers)
            raise InvalidInput(f"The form {self.value!r} has no deferred loading; use {those}.")


@dataclass(frozen=True, slots=True)
class Bound:
    """One array. `references` name the deferred tools that are loaded now, in the form of a search's result."""

    tools: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)  # tool -> what was changed for this provider
    unbound: dict[str, str] = field(default_factory=dict)  # tool -> why this provider would refuse it

    @property
    def names(self) -> list[str]:
        """Under which the tools are called."""
        return [name for tool in self.tools if (name := tool.get("function", tool).get("name")) is not None]


def bind(
    form: ToolForm,
    own: Sequence[Mapping[str, Any]],
    held: Sequence[Mapping[str, Any]],
    deferred: Sequence[Mapping[str, Any]] | None = None,
) -> Bound:
    """The array of one request: Toolcrib's own tools, then the held ones in their order, all as MCP definitions.

    With `deferred` (tools that left, so it may be empty) every held and deferred tool is marked for deferred loading,
    the held ones are named in `references`, and the prompt's prefix stays the same whatever comes and goes.
    Raises InvalidInput for a form without deferred loading. What a provider would refuse is named in `unbound`.
    """
    if deferred is not None:
        form.require_deferral()
    bound = Bound()
    if deferred is not None:
        bound.tools.append(_search(form, own))
        bound.tools.extend(_each(form, [tool for tool in own if not _is_search(tool)], bound))
        loaded = _each(form, held, bound)
        bound.references.extend(_reference(form, tool) for tool in loaded)
        bound.tools.extend({**tool, "defer_loading": True} for tool in (*loaded, *_each(form, deferred, bound)))
    else:
        bound.tools.extend(_each(form, [*own, *held], bound))
        if form in {ToolForm.OPENAI, ToolForm.OPENAI_RESPONSES}:
            _cut(bound)
    return bound


def _cut(bound: Bound) -> None:
    for tool in bound.tools[OPENAI_TOOLS:]:
        name = tool.get("function", tool)["name"]
        bound.unbound[name] = f"OpenAI takes {OPENAI_TOOLS} tools in one request; give the session a lower limit"
    del bound.tools[OPENAI_TOOLS:]


def _each(form: ToolForm, definitions: Sequence[Mapping[str, Any]], into: Bound) -> list[dict[str, Any]]:
    tools = []
    for definition in definitions:
        name = str(definition["name"])
        if form is ToolForm.MCP:
            tools.append(dict(definition))
            continue
        adapted = bound_schema(definition.get("inputSchema"))
        if adapted.refusal is not None:
            into.unbound[name] = adapted.refusal
            continue
        description, notes = _described(form, definition)
        if notes := [*adapted.notes, *notes]:
            into.notes[name] = notes
        tools.append(_in_form(form, name, description, adapted.schema))
    return tools


def _described(form: ToolForm, definition: Mapping[str, Any]) -> tuple[str, list[str]]:
    text = definition.get("description") or definition.get("title") or ""
    text = text if isinstance(text, str) else ""
    if form is ToolForm.ANTHROPIC or len(text) <= OPENAI_DESCRIPTION:
        return text, []
    cut = text[: OPENAI_DESCRIPTION - len(_ELLIPSIS)] + _ELLIPSIS
    return cut, [f"its description was cut to {OPENAI_DESCRIPTION:,} characters"]


def _in_form(form: ToolForm, name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if form is ToolForm.ANTHROPIC:
        return {"name": name, **({"description": description} if description else {}), "input_schema": schema}
    function = {"name": name, "description": description, "parameters": schema}
    if form is ToolForm.OPENAI:
        return {"type": "function", "function": function}
    # Left out, Responses would try to enforce the schema strictly, which few servers' schemas bear.
    return {"type": "function", **function, "strict": False}


def _is_search(definition: Mapping[str, Any]) -> bool:
    return bool(definition["name"] == "search_tools")


def _search(form: ToolForm, own: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What finds deferred tools: Toolcrib's search where the agent has it, else the provider's own."""
    search = next((tool for tool in own if _is_search(tool)), None)
    if form is ToolForm.ANTHROPIC:
        if search is None:
            return {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
        return _in_form(form, search["name"], search["description"], search["inputSchema"])
    if search is None:
        return {"type": "tool_search", "execution": "server"}
    return {
        "type": "tool_search",
        "execution": "client",
        "description": search["description"],
        "parameters": search["inputSchema"],
    }


def _reference(form: ToolForm, tool: Mapping[str, Any]) -> dict[str, Any]:
    """For Anthropic's tool_result, and for the tools of OpenAI's tool_search_output."""
    if form is ToolForm.ANTHROPIC:
        return {"type": "tool_reference", "tool_name": tool["name"]}
    return dict(tool)
