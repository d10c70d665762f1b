"""Tool arrays for MCP, OpenAI and Anthropic, loaded and deferred."""

from __future__ import annotations

import re
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.sessions import MemoryMode
from gateway.binding.forms import OPENAI_TOOLS, ToolForm, bind
from gateway.turn_presenter import SEARCH, own_tools

NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
READ = {
    "name": "files__read",
    "title": "Read",
    "description": "Reads a file.",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
    "annotations": {"readOnlyHint": True},
}
WRITE = {"name": "files__write", "description": "w" * 2000, "inputSchema": {"type": "object"}}
SCHEMA = READ["inputSchema"]


def test_mcp_takes_the_definition_as_the_server_wrote_it() -> None:
    assert bind(ToolForm.MCP, [], [READ, WRITE]).tools == [READ, WRITE]


def test_openai_and_anthropic_take_their_own_forms() -> None:
    assert bind(ToolForm.OPENAI, [], [READ]).tools == [
        {"type": "function", "function": {"name": "files__read", "description": "Reads a file.", "parameters": SCHEMA}}
    ]
    assert bind(ToolForm.OPENAI_RESPONSES, [], [READ]).tools == [
        {
            "type": "function",
            "name": "files__read",
            "description": "Reads a file.",
            "parameters": SCHEMA,
            "strict": False,
        }
    ]
    assert bind(ToolForm.ANTHROPIC, [], [READ]).tools == [
        {"name": "files__read", "description": "Reads a file.", "input_schema": SCHEMA}
    ]


def test_a_description_longer_than_openai_takes_is_cut_and_noted() -> None:
    bound = bind(ToolForm.OPENAI, [], [WRITE])
    assert len(bound.tools[0]["function"]["description"]) == 1024
    assert bound.notes == {"files__write": ["its description was cut to 1,024 characters"]}
    assert len(bind(ToolForm.ANTHROPIC, [], [WRITE]).tools[0]["description"]) == 2000


def test_more_tools_than_openai_takes_are_named_and_the_first_are_bound() -> None:
    many = [{**READ, "name": f"files__read_{n}"} for n in range(OPENAI_TOOLS + 2)]
    bound = bind(ToolForm.OPENAI, [], many)
    assert len(bound.tools) == OPENAI_TOOLS
    assert list(bound.unbound) == ["files__read_128", "files__read_129"]
    assert len(bind(ToolForm.ANTHROPIC, [], many).tools) == OPENAI_TOOLS + 2


@pytest.mark.parametrize("mode", list(MemoryMode))
@pytest.mark.parametrize("form", list(ToolForm))
def test_names_are_those_that_every_provider_takes(form: ToolForm, mode: MemoryMode) -> None:
    bound = bind(form, own_tools(mode), [READ, WRITE])
    assert all(NAME.match(name) for name in bound.names)
    assert bound.names[-2:] == ["files__read", "files__write"]
    assert ("search_tools" in bound.names) == (mode not in {MemoryMode.WORKFLOW, MemoryMode.PASSTHROUGH})


@pytest.mark.parametrize("form", [ToolForm.MCP, ToolForm.OPENAI])
def test_a_form_without_deferred_loading_says_which_have_it(form: ToolForm) -> None:
    with pytest.raises(InvalidInput, match="use openai-responses or anthropic"):
        bind(form, [SEARCH], [READ], [])


def test_anthropic_defers_what_is_held_behind_toolcribs_search_and_refers_to_it() -> None:
    bound = bind(ToolForm.ANTHROPIC, [SEARCH], [READ], [WRITE])
    assert [(tool["name"], tool.get("defer_loading", False)) for tool in bound.tools] == [
        ("search_tools", False),
        ("files__read", True),
        ("files__write", True),
    ]
    assert bound.references == [{"type": "tool_reference", "tool_name": "files__read"}]


def test_a_workflow_defers_behind_the_providers_own_search() -> None:
    anthropic = bind(ToolForm.ANTHROPIC, [], [READ], [])
    assert anthropic.tools[0] == {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"}
    assert bind(ToolForm.OPENAI_RESPONSES, [], [READ], []).tools[0] == {"type": "tool_search", "execution": "server"}


def test_openai_defers_behind_a_client_side_search_whose_result_holds_the_loaded_functions() -> None:
    bound = bind(ToolForm.OPENAI_RESPONSES, [SEARCH], [READ], [WRITE])
    search, read, write = bound.tools
    assert (search["type"], search["execution"]) == ("tool_search", "client")
    assert search["parameters"] == SEARCH["inputSchema"]
    assert read["defer_loading"]
    assert write["defer_loading"]
    assert [reference["name"] for reference in bound.references] == ["files__read"]


def test_the_prefix_of_a_deferred_array_is_the_same_whatever_is_held() -> None:
    def loaded(*held: dict[str, Any]) -> list[Any]:
        return [tool for tool in bind(ToolForm.ANTHROPIC, [SEARCH], held, []).tools if not tool.get("defer_loading")]

    assert loaded() == loaded(READ) == loaded(WRITE, READ)
