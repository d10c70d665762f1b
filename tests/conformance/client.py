"""Our upstream side under the client suite: an SDK client talks to a transparent door, and the door to the suite.

    client --command "python -m tests.conformance.client"

What the suite sees is our relay: its handshakes, headers, envelopes, reconnections and OAuth. The scenario comes in
MCP_CONFORMANCE_SCENARIO, its data in MCP_CONFORMANCE_CONTEXT, the revision in MCP_CONFORMANCE_PROTOCOL_VERSION.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import mcp_types as types
import uvicorn
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.shared.auth import OAuthClientInformationFull
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from domain.identity import LOCAL
from domain.servers import Launch, Transport, UpstreamServer
from gateway.mcp.transparent.door import Door
from servers.limits import Limits
from servers.oauth.authorizer import Authorizer
from servers.oauth.credential import Credential, MemoryCredentials
from servers.oauth.discovery import Challenge, discover
from servers.oauth.fetching import Fetcher, egress_for
from servers.relay.relays import Relays

METADATA_URL = "https://conformance-test.local/client-metadata.json"
_AUTHORIZATIONS = 8  # more than any scenario needs, and than the retry limit allows
_SAMPLED = types.CreateMessageResult(
    role="assistant", content=types.TextContent(text="Paris"), model="none", stop_reason="endTurn"
)


class Endpoint:
    """A door as an ASGI application."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._door.handle(scope, receive, send)


@asynccontextmanager
async def open_door(server: UpstreamServer, limits: Limits) -> AsyncIterator[str]:
    """The address of a transparent door to `server`."""
    door = Door(Relays(server, limits), LOCAL)
    app = Starlette(routes=[Route("/mcp", endpoint=Endpoint(door))])
    listening = socket.create_server(("127.0.0.1", 0))
    http = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan="off"))
    async with door.manager.run():
        serving = asyncio.create_task(http.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        finally:
            http.should_exit = True
            await serving
            await door.close()


async def elicited(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:  # noqa: ARG001 - the SDK's signature
    """Accept, with the schema's defaults (SEP-1034)."""
    schema = getattr(params, "requested_schema", None) or {}
    properties = schema.get("properties", {})
    content = {name: prop["default"] for name, prop in properties.items() if "default" in prop}
    for name, prop in properties.items():
        content.setdefault(name, prop.get("type") == "boolean" or "yes")
    return types.ElicitResult(action="accept", content=content)


async def sampled(
    context: ClientRequestContext,  # noqa: ARG001
    params: types.CreateMessageRequestParams,  # noqa: ARG001
) -> types.CreateMessageResult:
    return _SAMPLED


async def rooted(context: ClientRequestContext) -> types.ListRootsResult:  # noqa: ARG001 - the SDK's signature
    return types.ListRootsResult(roots=[])


def example(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments that fit a simple schema."""
    by_type: dict[str, Any] = {"integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}
    properties = schema.get("properties") or {}
    return {name: by_type.get(properties.get(name, {}).get("type"), "x") for name in schema.get("required") or []}


class Driver:
    """One run of one scenario."""

    def __init__(self, client: Client, context: dict[str, Any]) -> None:
        self.client = client
        self.context = context

    async def drive(self, scenario: str) -> None:
        tools = (await self.client.list_tools()).tools
        match scenario:
            case "tools_call":
                await self.client.call_tool("add_numbers", {"a": 5, "b": 3})
            case "sse-retry":
                await self.client.call_tool("test_reconnection", {})
            case "http-custom-headers":
                for call in self.context.get("toolCalls", []):
                    await self.client.call_tool(call["name"], call["arguments"])
            case "json-schema-2020-12-preservation":
                await self._echo_schema(tools)
            case "sep-2322-client-request-state":
                await self._rounds(tools)
            case "http-standard-headers":
                await self._everything(tools)
            case _:
                for tool in tools:
                    await self._call(tool)

    async def _call(self, tool: types.Tool) -> None:
        try:
            await self.client.call_tool(tool.name, example(tool.input_schema))
        except MCPError as error:
            sys.stderr.write(f"{tool.name}: {error}\n")

    async def _echo_schema(self, tools: list[types.Tool]) -> None:
        focal, echo = tools
        await self.client.call_tool(echo.name, {"schema": focal.input_schema})

    async def _rounds(self, tools: list[types.Tool]) -> None:
        await asyncio.gather(*(self._call(tool) for tool in tools))

    async def _everything(self, tools: list[types.Tool]) -> None:
        for tool in tools:
            await self._call(tool)
        for resource in (await self.client.list_resources()).resources:
            await self.client.read_resource(resource.uri)
        for prompt in (await self.client.list_prompts()).prompts:
            await self.client.get_prompt(prompt.name, {})


async def authorize(authorizer: Authorizer, server: UpstreamServer) -> None:
    """Be the browser of a person who allows everything."""
    url = await authorizer.begin(server, LOCAL.subject)
    async with httpx2.AsyncClient() as browser:
        answer = await browser.get(url, follow_redirects=False)
    query = dict(parse_qsl(urlsplit(answer.headers.get("location", "")).query))
    await authorizer.complete(LOCAL.subject, server.tenant, query)


async def register_before(credentials: MemoryCredentials, server: UpstreamServer, context: dict[str, Any]) -> None:
    """Keep the client that an operator registered with the authorization server beforehand."""
    async with Fetcher(server, egress_for(server)) as fetcher:
        authority = await discover(fetcher, Challenge(None, None, is_step_up=False))
    assert authority is not None
    client = OAuthClientInformationFull(
        client_id=context["client_id"],
        client_secret=context["client_secret"],
        redirect_uris=None,
        token_endpoint_auth_method="client_secret_basic",
        issuer=authority.issuer,
    )
    endpoint = str(authority.metadata.token_endpoint)
    credential = Credential(authority.issuer, authority.resource, endpoint, client)
    await credentials.save(server.tenant, server.slug, credential.to_json())


async def run(url: str, scenario: str, context: dict[str, Any], version: str) -> None:
    server = UpstreamServer("local", "suite", "Suite", Launch(Transport.STREAMABLE_HTTP, url=url))
    credentials = MemoryCredentials()
    if scenario == "auth/pre-registration":
        await register_before(credentials, server, context)
    authorizer = Authorizer(credentials, client_metadata_url=METADATA_URL)
    authorizer.listens_at("http://127.0.0.1:8420")
    mode = "auto" if version in MODERN_PROTOCOL_VERSIONS else "legacy"
    async with open_door(server, Limits(access=authorizer)) as address:

        async def once() -> None:
            async with Client(
                address,
                mode=mode,
                elicitation_callback=elicited,
                sampling_callback=sampled,
                list_roots_callback=rooted,
            ) as client:
                await Driver(client, context).drive(scenario)

        await with_authorizations(once, authorizer, server)
    await authorizer.aclose()


async def with_authorizations(work: Callable[[], Any], authorizer: Authorizer, server: UpstreamServer) -> None:
    """Do `work`, and again after each authorization it turns out to need."""
    for _ in range(_AUTHORIZATIONS):
        try:
            await work()
        except BaseExceptionGroup as group:
            if authorizer.link(server.tenant, server.slug) is None:
                raise
            sys.stderr.write(f"needs authorization: {group.exceptions}\n")
        except MCPError as error:
            if authorizer.link(server.tenant, server.slug) is None:
                raise
            sys.stderr.write(f"needs authorization: {error}\n")
        if authorizer.link(server.tenant, server.slug) is None:
            return
        await authorize(authorizer, server)


def main() -> None:
    scenario = os.environ.get("MCP_CONFORMANCE_SCENARIO", "tools_call")
    context = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")
    version = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25")
    asyncio.run(run(sys.argv[-1], scenario, context, version))


if __name__ == "__main__":
    main()
