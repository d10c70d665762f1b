"""The MCP server: `tools/list` is the same for all, `tools/call` reaches meta-tools and found tools by their names.

Refuses to know: where the backend runs. Both protocol eras are served by the SDK on one address.
"""

from __future__ import annotations

import importlib.metadata
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mcp_types as types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.shared.exceptions import MCPError
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from domain.errors import InvalidInput, ToolcribError, ToolRemoved, UpstreamRefused
from gateway.mcp.backend import Backend
from gateway.mcp.large_results import READ_RESULT, read_on
from gateway.mcp.meta_tools import CALL_TOOL, META_TOOLS, REMOVE_TOOLS, SEARCH_TOOLS, definitions, instructions
from gateway.mcp.plan_tool import DEFINITION, RUN_PLAN, plan_body
from gateway.mcp.tasks import refuse_tasks
from gateway.wire_json import compact_json

BackendFor = Callable[[], Backend]
"""The backend of the current request: seam for the verified principal (a later issue)."""

_MOST_NAMED = 10  # tools that left, in one line

META_SESSION = "toolcrib/session"
META_TOOL = "toolcrib/tool"
META_RESULT = "toolcrib/result"
META_FRESH = "toolcrib/fresh"
META_RETRY_AFTER = "toolcrib/retry_after_s"


def make_mcp_server(
    backend_for: BackendFor, instructions_text: str | None, kind: type[Server[Any]] = Server
) -> Server[Any]:
    """One SDK server for every connection. `instructions_text` is what clients show their model."""

    async def list_tools(
        _ctx: ServerRequestContext[Any], _params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        tools = await listed(backend_for())
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in tools])

    async def list_all(
        ctx: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult | dict[str, Any]:
        own = await list_tools(ctx, params)
        return beside(own, await backend_for().catalogue())

    only_client = secrets.token_hex(16)  # over stdio there is but one

    async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> dict[str, Any]:
        client = only_client if ctx.request is None else ctx.request.headers.get(MCP_SESSION_ID_HEADER)
        return await answer_call(backend_for(), params.name, params.arguments or {}, client)

    async def discover(context: ServerRequestContext[Any], _params: types.RequestParams | None) -> types.DiscoverResult:
        """As the SDK answers, with the handshake's revisions: they are served on the same address."""
        return types.DiscoverResult(
            supported_versions=[*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS],
            capabilities=server.get_capabilities(protocol_version=context.protocol_version),
            instructions=server.instructions,
        )

    server = kind(
        "toolcrib",
        version=importlib.metadata.version("toolcrib"),
        title="Toolcrib",
        description="Finds, hands out and calls the tools of many MCP servers.",
        instructions=instructions_text,
        on_list_tools=list_tools,
        get_tool_input_schema=lambda _name: None,  # no meta-tool mirrors an argument in a header; spares a listing
    )
    # Registered by method, since upstream results are passed on as the JSON they were, not as the SDK's model of it.
    server.add_request_handler("tools/list", types.PaginatedRequestParams, list_all)
    server.add_request_handler("tools/call", types.CallToolRequestParams, call_tool)
    server.add_request_handler("server/discover", types.RequestParams, discover)
    refuse_tasks(server)
    return server


def beside(own: types.ListToolsResult, others: Sequence[Mapping[str, Any]]) -> types.ListToolsResult | dict[str, Any]:
    """A listing with more tools behind its own, as JSON: what servers wrote is passed on as it was, not as the SDK's
    model of it.
    """
    if not others:
        return own
    answer: dict[str, Any] = own.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {**answer, "tools": [*answer["tools"], *others]}


async def answer_call(
    backend: Backend, name: str, arguments: Mapping[str, Any], client: str | None = None
) -> dict[str, Any]:
    """The CallToolResult of a `tools/call` as JSON. Raises MCPError for an upstream's own protocol error."""
    try:
        result = await _dispatch(backend, name, arguments, client)
    except UpstreamRefused as error:
        raise MCPError(error.rpc_code, error.message, error.data) from error
    except ToolcribError as error:
        result = _failed(error)
    # Required since 2026-07-28; for older clients the SDK leaves it out again.
    return {"resultType": "complete", **result}


async def listed(backend: Backend) -> list[dict[str, Any]]:
    """The meta-tools, and `run_plan` where the operator wants it."""
    tools = definitions(await backend.behind())
    return [*tools, dict(DEFINITION)] if backend.has_plans else tools


async def read_instructions(backend: Backend) -> str:
    """The server's instructions as the catalogue stands now."""
    return instructions(await backend.behind())


async def _dispatch(backend: Backend, name: str, arguments: Mapping[str, Any], client: str | None) -> dict[str, Any]:
    if name not in META_TOOLS:
        return await _by_name(backend, name, arguments, client)
    session = _text(arguments, "session", required=name == REMOVE_TOOLS)
    if name == SEARCH_TOOLS:
        return _found(await backend.search(_texts(arguments, "queries"), session))
    if name == CALL_TOOL:
        inner = arguments.get("arguments") or {}
        if not isinstance(inner, dict | Mapping):  # the first is asked in no time
            raise InvalidInput("`arguments` must be an object that fits the tool's input schema.")
        tool = _text(arguments, "name", required=True) or ""
        if tool == READ_RESULT:
            return await _read(backend, inner, session)
        return _called(await backend.call(tool, inner, session, client), session)
    return _removed(await backend.remove(_texts(arguments, "names"), session or ""), session or "")


async def _by_name(backend: Backend, name: str, arguments: Mapping[str, Any], client: str | None) -> dict[str, Any]:
    """A reserved name, or that of a found tool."""
    if name == READ_RESULT:
        return await _read(backend, arguments, None)
    if name == RUN_PLAN and backend.has_plans:
        return _planned(await backend.plan(plan_body(arguments)))
    return _called(await backend.call(name, arguments, None, client), None)


def _found(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Every tool's definition once, at its first appearance; later mentions by name only."""
    shown: set[str] = set()
    fresh: dict[str, Any] = {}
    results = []
    for result in answer["results"]:
        tools: list[Any] = []
        for candidate in result["candidates"]:
            tool_id = candidate["tool_id"]
            definition = candidate["definition"]
            tools.append({"name": definition["name"]} if tool_id in shown else definition)
            shown.add(tool_id)
            fresh[definition["name"]] = {key: candidate[key] for key in ("generation", "last_verified")}
        entry: dict[str, Any] = {"query": result["query"], "tools": tools}
        if result["abstained"] or not tools:
            near = ", ".join(result.get("nearest_servers", ()))
            entry["note"] = f"nothing fits well{f'; the nearest servers are {near}' if near else ''}"
        if reasons := {c["definition"]["name"]: c["reason"] for c in result["candidates"] if "reason" in c}:
            entry["reasons"] = reasons
        if result["degraded"]:
            entry["degraded"] = result["degraded"]
        results.append(entry)
    line = _memory_line(answer["session_id"], answer["memory"])
    if "budget" in answer:
        line = f"{line}\n{answer['budget']['block']}"
    texts = _texts_result(compact_json({"results": results}), line)
    return {**texts, "_meta": {META_FRESH: fresh}}


def _called(answer: Mapping[str, Any], session: str | None) -> dict[str, Any]:
    """The upstream result untouched; ours goes into `_meta`, and one last text block only when something left.

    Who answered is said hop by hop: the upstream's name in `_meta` would pass for Toolcrib's.
    """
    result = dict(answer["result"])
    meta = {**(result.get("_meta") or {}), META_TOOL: answer["tool"]}
    meta.pop(types.SERVER_INFO_META_KEY, None)
    meta.pop(META_RESULT, None)  # ours to say
    memory = answer.get("memory")
    if session is not None:
        meta[META_SESSION] = session
    lines = []
    if (page := answer.get("page")) is not None:
        meta[META_RESULT] = page
        lines.append(read_on(page))
    if memory is not None and session is not None and (memory["evicted"] or memory["max_tokens"] is not None):
        lines.append(_memory_line(session, memory))
    if "budget" in answer:
        lines.append(answer["budget"]["block"])
    if lines:
        result["content"] = [*(result.get("content") or []), *({"type": "text", "text": line} for line in lines)]
    result["_meta"] = meta
    return result


def _planned(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Every step with its result, as one text: no tool's answer is passed on as if it were the only one."""
    steps = []
    for step in answer["steps"]:
        entry = {name: step[name] for name in ("id", "tool", "status", "result", "error", "message") if name in step}
        if (page := step.get("page")) is not None:
            entry["more"] = read_on(page)
        steps.append(entry)
    failed = all(step["status"] != "ok" for step in steps)
    budgets = [step["budget"]["block"] for step in answer["steps"] if "budget" in step]
    return {**_texts_result(compact_json({"steps": steps}), *budgets[-1:]), "isError": failed}


async def _read(backend: Backend, arguments: Mapping[str, Any], session: str | None) -> dict[str, Any]:
    """A page of a large result: text as it is, then where to read on."""
    number = arguments.get("page", 1)
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidInput("`page` must be a whole number from 1.")
    answer = await backend.read_result(_text(arguments, "handle", required=True) or "", number, session)
    page = {name: value for name, value in answer.items() if name != "text"}
    return {**_texts_result(answer["text"], read_on(page)), "_meta": {META_RESULT: page}}


def _removed(change: Mapping[str, Any], session: str) -> dict[str, Any]:
    facts = {key: change[key] for key in ("removed", "deferred", "unknown") if change[key]}
    return _texts_result(compact_json(facts), _memory_line(session, change))


def _failed(error: ToolcribError) -> dict[str, Any]:
    """A tool error the model can read and act on (SEP-1303), never a bare protocol error."""
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    meta: dict[str, Any] = {}
    if isinstance(error, ToolRemoved) and error.successor is not None:
        body["successor"] = error.successor
    if error.retry_after_s is not None:
        body["retry_after_s"] = error.retry_after_s
        meta = {"_meta": {META_RETRY_AFTER: error.retry_after_s}}  # for the client, beside the text for its model
    return {"content": [{"type": "text", "text": compact_json(body)}], "isError": True, **meta}


def _memory_line(session: str, memory: Mapping[str, Any]) -> str:
    line = f"Session {session} holds {memory['tools']} of {memory['capacity']} tools"
    if memory["max_tokens"] is not None:
        line += f", about {memory['tokens']} of {memory['max_tokens']} tokens"
    line += "."
    if memory["evicted"]:
        named = ", ".join(memory["evicted"][:_MOST_NAMED])
        more = len(memory["evicted"]) - _MOST_NAMED
        line += f" No longer held: {named}{f' and {more} more' if more > 0 else ''}; a call by name brings one back."
    if memory["refused"]:
        line += " The limit is reached: give tools back with remove_tools."
    return line


def _texts_result(*texts: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text} for text in texts]}


def _text(arguments: Mapping[str, Any], key: str, *, required: bool) -> str | None:
    value = arguments.get(key)
    if isinstance(value, str) and value.strip():
        return value
    if value is None and not required:
        return None
    raise InvalidInput(f"`{key}` must be a text that is not empty.")


def _texts(arguments: Mapping[str, Any], key: str) -> list[str]:
    value = arguments.get(key)
    if isinstance(value, str):
        value = [value]  # models send one query as a bare string; the meaning is plain
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise InvalidInput(f"`{key}` must be a list of texts with at least one in it.")
    return value
