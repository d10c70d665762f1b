"""What a client does with a server, one function a feature. Each asserts what it sees; a refusal is raised."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types
import pytest
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.client.session import IncomingMessage
from mcp.client.subscriptions import ResourceUpdated, ToolsListChanged
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from domain.servers import Launch, Transport, UpstreamServer
from servers.limits import Limits
from servers.negotiation import Era
from servers.relay.connection import RelayConnection
from servers.relay.exchange import Answer
from servers.relay.hello import Hello
from tests.conformance import fixtures as fx


@dataclass
class Visitor:
    """A client of one era, and everything it was told."""

    client: Client
    url: str
    told: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    @property
    def modern(self) -> bool:
        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS


@dataclass(frozen=True)
class Raw:
    """A client that sees the JSON as it travels."""

    connection: RelayConnection

    async def request(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        exchange = self.connection.begin(method, {**params, "_meta": {**self._meta, **params.get("_meta", {})}})
        while True:
            event = await exchange.next()
            if isinstance(event, Answer):
                return event.result

    @property
    def _meta(self) -> dict[str, Any]:
        assert self.connection.peer is not None
        if self.connection.peer.era is Era.HANDSHAKE:
            return {}
        return {
            "io.modelcontextprotocol/protocolVersion": self.connection.peer.protocol_version,
            "io.modelcontextprotocol/clientCapabilities": {},
        }


async def raw(visitor: Visitor, stack: AsyncExitStack) -> Raw:
    server = UpstreamServer("t", "door", "Door", Launch(Transport.STREAMABLE_HTTP, url=visitor.url))
    era = Era.MODERN if visitor.modern else Era.HANDSHAKE
    connection = RelayConnection(server, Limits(), Hello(), lambda _event: None, era)
    stack.push_async_callback(connection.close)
    await connection.ready()
    return Raw(connection)


async def lists(visitor: Visitor) -> None:
    tools = await visitor.client.list_tools()
    assert [tool.name for tool in tools.tools] == [tool["name"] for tool in fx.TOOLS]


async def calls(visitor: Visitor) -> None:
    result = await visitor.client.call_tool("test_multiple_content_types", {})
    assert [block.type for block in result.content] == ["text", "image", "resource"]
    failed = await visitor.client.call_tool("test_error_handling", {})
    assert failed.is_error


async def structured_content(visitor: Visitor) -> None:
    result = await visitor.client.call_tool("test_structured", {})
    assert result.structured_content == fx.ANSWERS["test_structured"]["structuredContent"]


async def unknown_words(visitor: Visitor) -> None:
    """Lossless in both directions: what no model of the SDK knows arrives."""
    async with AsyncExitStack() as stack:
        peer = await raw(visitor, stack)
        listed = await peer.request("tools/list", {})
        by_name = {tool["name"]: tool for tool in listed["tools"]}
        expected = {**next(tool for tool in fx.TOOLS if tool["name"] == "lossless"), **fx.UNKNOWN_KEYWORDS}
        assert by_name["lossless"] == expected
        assert by_name["json_schema_2020_12_tool"]["inputSchema"] == fx.SCHEMA_2020_12
        assert listed["x-page"] == {"kept": [None]}
        meta = {"com.example/deep": {"a": [1, None]}}
        params = {"name": "lossless", "arguments": {"n": [1, 2.5, None]}, "x-unknown": {"b": None}, "_meta": meta}
        result = await peer.request("tools/call", params)
    seen = {"arguments": {"n": [1, 2.5, None]}, "unknown": {"b": None}, "meta": meta}
    assert (result["structuredContent"], result["x-result"]) == (seen, [1, None])
    assert result["_meta"]["com.example/r"] == {"a": 1}


async def mirrored_headers(visitor: Visitor) -> None:
    result = await visitor.client.call_tool("test_headers", {"region": "Zürich "})
    assert result.content == [types.TextContent(text="Zürich ")]


async def resources(visitor: Visitor) -> None:
    listed = await visitor.client.list_resources()
    assert [str(resource.uri) for resource in listed.resources] == [resource["uri"] for resource in fx.RESOURCES]
    read = await visitor.client.read_resource("test://static-binary")
    assert read.contents[0] == types.BlobResourceContents(
        uri="test://static-binary", mime_type="image/png", blob=fx.IMAGE
    )
    with pytest.raises(MCPError) as missing:
        await visitor.client.read_resource("test://none")
    assert (missing.value.code, missing.value.data) in [(code, {"uri": "test://none"}) for code in (-32602, -32002)]


async def templates(visitor: Visitor) -> None:
    listed = await visitor.client.list_resource_templates()
    assert [template.uri_template for template in listed.resource_templates] == [fx.TEMPLATE]
    read = await visitor.client.read_resource("test://template/7/data")
    assert "Data for ID: 7" in str(read.contents[0])


async def prompts(visitor: Visitor) -> None:
    listed = await visitor.client.list_prompts()
    assert [prompt.name for prompt in listed.prompts] == [prompt["name"] for prompt in fx.PROMPTS]
    prompt = await visitor.client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
    assert "arg1='a', arg2='b'" in str(prompt.messages[0])


async def completion(visitor: Visitor) -> None:
    reference = types.PromptReference(name="test_prompt_with_arguments")
    answer = await visitor.client.complete(reference, {"name": "arg1", "value": "x"})
    assert answer.completion.values == ["xa", "xb"]


async def elicitation(visitor: Visitor) -> None:
    result = await visitor.client.call_tool("test_elicitation", {"message": "Who?"})
    assert '"username": "yes"' in _text(result)


async def sampling(visitor: Visitor) -> None:
    result = await visitor.client.call_tool("test_sampling", {"prompt": "Capital?"})
    assert "Paris" in _text(result)


async def roots(visitor: Visitor) -> None:
    result = await visitor.client.call_tool("test_roots", {})
    assert '"roots": []' in _text(result)


async def undeclared(visitor: Visitor) -> None:
    """A client that offers nothing is refused by name what needs it, and gets the rest."""
    mode = "2026-07-28" if visitor.modern else "legacy"
    async with Client(visitor.url, mode=mode) as bare:
        assert _text(await bare.call_tool("test_simple_text", {})).startswith("This is a simple text")
        with pytest.raises(MCPError) as refusal:
            await bare.call_tool("test_elicitation", {"message": "Who?"})
    raise refusal.value  # outside of the client, which would wrap it into groups


async def progress(visitor: Visitor) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    await visitor.client.call_tool("test_tool_with_progress", {}, progress_callback=on_progress)
    assert heard == [(done, 100, f"Completed step {done} of 100") for done in (0, 50, 100)]


async def cancel(visitor: Visitor) -> None:
    label = f"cancel-{visitor.client.protocol_version}"
    waits = asyncio.Event()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001
        waits.set()

    call = asyncio.create_task(visitor.client.call_tool("test_wait", {"label": label}, progress_callback=on_progress))
    await waits.wait()
    call.cancel()
    await asyncio.wait({call})
    async with asyncio.timeout(5):
        assert _text(await visitor.client.call_tool("test_was_cancelled", {"label": label})) == "1"


async def logging(visitor: Visitor) -> None:
    if not visitor.modern:
        await visitor.client.session.send_request(
            types.SetLevelRequest(params=types.SetLevelRequestParams(level="info")), types.EmptyResult
        )
    await visitor.client.call_tool("test_tool_with_logging", {})
    for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        assert await _told(visitor) == f"log: {message}"


async def list_changed(visitor: Visitor) -> None:
    if visitor.modern:
        async with visitor.client.listen(tools_list_changed=True) as events:
            await visitor.client.call_tool("test_trigger_tool_change", {})
            async with asyncio.timeout(5):
                assert await anext(aiter(events)) == ToolsListChanged()
        return
    await visitor.client.call_tool("test_trigger_tool_change", {})
    assert await _told(visitor) == "tools changed"


async def subscriptions(visitor: Visitor) -> None:
    if visitor.modern:
        async with visitor.client.listen(resource_subscriptions=[fx.WATCHED]) as events:
            await visitor.client.call_tool("test_trigger_resource_update", {})
            async with asyncio.timeout(5):
                assert await anext(aiter(events)) == ResourceUpdated(fx.WATCHED)
        return
    await visitor.client.session.send_request(
        types.SubscribeRequest(params=types.SubscribeRequestParams(uri=fx.WATCHED)), types.EmptyResult
    )
    await visitor.client.call_tool("test_trigger_resource_update", {})
    assert await _told(visitor) == f"updated: {fx.WATCHED}"


async def tasks(visitor: Visitor) -> None:
    """Not offered; refused by name."""
    assert getattr(visitor.client.server_capabilities, "tasks", None) is None
    async with AsyncExitStack() as stack:
        await (await raw(visitor, stack)).request("tasks/get", {"taskId": "1"})


FEATURES: Mapping[str, Callable[[Visitor], Awaitable[None]]] = {
    "list": lists,
    "call": calls,
    "structured content": structured_content,
    "unknown keywords, both ways": unknown_words,
    "mirrored headers": mirrored_headers,
    "resources": resources,
    "templates": templates,
    "prompts": prompts,
    "completion": completion,
    "elicitation": elicitation,
    "sampling": sampling,
    "roots": roots,
    "undeclared capability": undeclared,
    "progress": progress,
    "cancel": cancel,
    "logging": logging,
    "list_changed": list_changed,
    "subscriptions": subscriptions,
    "tasks": tasks,
}


def hears(told: asyncio.Queue[str]) -> dict[str, Any]:
    """Callbacks that write down what a client is told."""

    async def on_log(params: types.LoggingMessageNotificationParams) -> None:
        told.put_nowait(f"log: {params.data}")

    async def on_message(message: IncomingMessage) -> None:
        match message:
            case types.ToolListChangedNotification():
                told.put_nowait("tools changed")
            case types.ResourceUpdatedNotification(params=params):
                told.put_nowait(f"updated: {params.uri}")
            case _:
                """Nothing a feature waits for."""

    return {"logging_callback": on_log, "message_handler": on_message}


async def elicited(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:  # noqa: ARG001
    return types.ElicitResult(action="accept", content={"username": "yes", "email": "yes"})


def _text(result: types.CallToolResult) -> str:
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


async def _told(visitor: Visitor) -> str:
    async with asyncio.timeout(5):
        return await visitor.told.get()
