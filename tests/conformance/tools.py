"""The tools that act: they log, report, announce, wait, and ask their client for something, in both eras.

In the current revision a tool asks by answering that input is required; before it, by a request in the middle.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec, InvalidRequestState
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from tests.conformance import fixtures as fx

Context = ServerRequestContext[Any, Any]
MISSING_CAPABILITY = -32021
_CAPABILITY = {"elicitation/create": "elicitation", "sampling/createMessage": "sampling", "roots/list": "roots"}
_PAUSE_S = 0.05

_ONE_ROUND: dict[str, dict[str, dict[str, Any]]] = {
    "elicitation": {"user_name": fx.NAME},
    "sampling": {"capital_question": fx.sample("What is the capital of France?")},
    "list_roots": {"client_roots": fx.ROOTS},
    "request_state": {"confirm": fx.CONFIRM},
    "tampered_state": {"confirm": fx.CONFIRM},
    "multiple_inputs": {"user_name": fx.NAME, "greeting": fx.sample("Say hello", 50), "client_roots": fx.ROOTS},
}
_STATEFUL = frozenset({"request_state", "tampered_state", "multiple_inputs"})


@dataclass
class Tools:
    """The server's state; one per process."""

    bus: InMemorySubscriptionBus = field(default_factory=InMemorySubscriptionBus)
    watched: set[str] = field(default_factory=set)
    codec: AESGCMRequestStateCodec = field(default_factory=lambda: AESGCMRequestStateCodec(["reference-upstream" * 2]))
    cancelled: Counter[str] = field(default_factory=Counter)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def call(self, context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
        """The CallToolResult, or an InputRequiredResult."""
        name, arguments = params["name"], params.get("arguments") or {}
        if name in fx.ANSWERS:
            return fx.ANSWERS[name]
        if name.startswith("test_input_required_result_"):
            return self.input_required(context, name.removeprefix("test_input_required_result_"), params)
        handler = getattr(self, name, None)
        if handler is None:
            raise MCPError(types.INVALID_PARAMS, f"Unknown tool: {name}", {"tool": name})
        result: dict[str, Any] = await handler(context, params, **arguments)
        return result

    async def lossless(self, _context: Context, params: Mapping[str, Any], **_arguments: object) -> dict[str, Any]:
        meta = {key: value for key, value in (params.get("_meta") or {}).items() if key.startswith("com.example/")}
        seen = {"arguments": params.get("arguments"), "unknown": params.get("x-unknown"), "meta": meta}
        return {
            **fx.text("kept"),
            "structuredContent": seen,
            "x-result": [1, None],
            "_meta": {"com.example/r": {"a": 1}},
        }

    async def test_watched(self, _context: Context, _params: object) -> dict[str, Any]:
        return fx.text(",".join(sorted(self.watched)))

    async def test_headers(self, _context: Context, _params: object, region: str) -> dict[str, Any]:
        return fx.text(region)

    async def test_tool_with_logging(self, context: Context, _params: object) -> dict[str, Any]:
        for message in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await _log(context, message)
            await asyncio.sleep(_PAUSE_S)
        return fx.text("logged")

    async def test_logging_tool(self, context: Context, _params: object) -> dict[str, Any]:
        await _log(context, "One message")
        return fx.text("logged")

    async def test_tool_with_progress(self, context: Context, _params: object) -> dict[str, Any]:
        for done in (0, 50, 100):
            await context.session._request_outbound.progress(done, 100, f"Completed step {done} of 100")
            await asyncio.sleep(_PAUSE_S)
        return fx.text(str((context.meta or {}).get("progress_token", 0)))

    async def test_sampling(self, context: Context, params: Mapping[str, Any], prompt: str) -> dict[str, Any]:
        return await self._ask(context, params, fx.sample(prompt), "LLM response")

    async def test_roots(self, context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._ask(context, params, fx.ROOTS, "Roots")

    async def test_elicitation(self, context: Context, params: Mapping[str, Any], message: str) -> dict[str, Any]:
        asked = fx.elicit(message, {"username": {"type": "string"}, "email": {"type": "string"}}, ["username", "email"])
        return await self._ask(context, params, asked, "User response")

    async def test_elicitation_sep1034_defaults(self, context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._ask(context, params, fx.DEFAULTS, "Elicitation completed")

    async def test_elicitation_sep1330_enums(self, context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._ask(context, params, fx.ENUMS, "Elicitation completed")

    async def test_streaming_elicitation(self, context: Context, params: Mapping[str, Any]) -> dict[str, Any]:
        return await self._ask(context, params, fx.CONFIRM, "Confirmed")

    async def test_missing_capability(self, context: Context, _params: object) -> dict[str, Any]:
        require(context, "sampling")
        return fx.text("the capability is there")

    async def test_reconnection(self, context: Context, _params: object) -> dict[str, Any]:
        await _log(context, "before")
        if context.close_sse_stream is not None:
            await context.close_sse_stream()
        await asyncio.sleep(_PAUSE_S * 4)
        await _log(context, "after")
        return fx.text("Reconnection test completed")

    async def test_trigger_tool_change(self, context: Context, _params: object) -> dict[str, Any]:
        return await self._announce(context, ToolsListChanged(), "tools/list_changed")

    async def test_trigger_prompt_change(self, context: Context, _params: object) -> dict[str, Any]:
        return await self._announce(context, PromptsListChanged(), "prompts/list_changed")

    async def test_trigger_resource_update(self, context: Context, _params: object) -> dict[str, Any]:
        return await self._announce(context, ResourceUpdated(fx.WATCHED), "resources/updated", {"uri": fx.WATCHED})

    async def test_wait(self, context: Context, _params: object, label: str) -> dict[str, Any]:
        await context.session._request_outbound.progress(1, None, "waiting")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled[label] += 1
            with anyio.CancelScope(shield=True):
                async with self.changed:
                    self.changed.notify_all()
            raise
        raise AssertionError("nothing sets the event")

    async def test_was_cancelled(self, _context: Context, _params: object, label: str) -> dict[str, Any]:
        async with self.changed:
            await self.changed.wait_for(lambda: self.cancelled[label] > 0)
        return fx.text(str(self.cancelled[label]))

    def input_required(self, context: Context, kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """The fixtures that ask in the current revision's way whoever calls them."""
        answers = answers_of(params)
        if kind == "multi_round":
            return self._multi_round(answers, params)
        if kind == "capabilities":
            asked = {f"ask_{word}": request for word, request in _WISHES.items() if declared(context, word)}
            return fx.text("done") if answers or not asked else _required(asked)
        if kind in _STATEFUL and params.get("requestState") is not None:
            self._unseal(params["requestState"])
        wanted = _ONE_ROUND[kind]
        for request in wanted.values():
            require(context, _CAPABILITY[request["method"]])
        if not wanted.keys() <= answers.keys():
            return _required(wanted, self.codec.seal(kind.encode()) if kind in _STATEFUL else None)
        if kind in _STATEFUL and params.get("requestState") is None:
            raise MCPError(types.INVALID_PARAMS, "The request state is missing")
        said = [answers[key] for key in wanted]
        return fx.text(f"state-ok Hello, {json.dumps(said)}!")

    def _multi_round(self, answers: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
        state = params.get("requestState")
        done = self._unseal(state) if state is not None else b""
        if "step2" in answers and done == b"step1":
            return fx.text("both rounds are done")
        if "step1" in answers:
            asked = fx.elicit("Step 2: What is your favorite color?", {"color": {"type": "string"}}, ["color"])
            return _required({"step2": asked}, self.codec.seal(b"step1"))
        asked = fx.elicit("Step 1: What is your name?", {"name": {"type": "string"}}, ["name"])
        return _required({"step1": asked}, self.codec.seal(b"start"))

    def _unseal(self, state: str) -> bytes:
        try:
            return self.codec.unseal(state)
        except InvalidRequestState as error:
            raise MCPError(types.INVALID_PARAMS, "The request state was tampered with") from error

    async def _ask(
        self, context: Context, params: Mapping[str, Any], request: dict[str, Any], said: str
    ) -> dict[str, Any]:
        require(context, _CAPABILITY[request["method"]])
        if modern(context):
            answers = answers_of(params)
            if "answer" not in answers:
                return _required({"answer": request})
            return fx.text(f"{said}: {json.dumps(answers['answer'])}")
        answer = await context.session._request_outbound.send_raw_request(request["method"], request["params"])
        return fx.text(f"{said}: {json.dumps(answer)}")

    async def _announce(
        self, context: Context, event: ServerEvent, kind: str, params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        await self.bus.publish(event)
        if not modern(context):
            await context.session._connection.outbound.notify(f"notifications/{kind}", params)
        return fx.text("announced")


_WISHES = {"elicitation": fx.NAME, "sampling": fx.sample("Say hello"), "roots": fx.ROOTS}


def modern(context: Context) -> bool:
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS


def declared(context: Context, capability: str) -> bool:
    """Whether the client offers it."""
    capabilities = context.session.client_capabilities
    return capabilities is not None and getattr(capabilities, capability) is not None


def require(context: Context, capability: str) -> None:
    """Refuse a client that does not offer it, by the name the specification gives that."""
    if not declared(context, capability):
        needed: dict[str, Any] = {"requiredCapabilities": {capability: {}}}
        raise MCPError(MISSING_CAPABILITY, f"This needs the client capability {capability}", needed)


def answers_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input responses; those that are no objects are as good as none."""
    if "inputResponses" not in params:
        return {}
    answers = params["inputResponses"]
    if not isinstance(answers, Mapping):
        raise MCPError(types.INVALID_PARAMS, "inputResponses must be an object")
    return {key: value for key, value in answers.items() if isinstance(value, Mapping)}


def _required(requests: Mapping[str, Any], state: str | None = None) -> dict[str, Any]:
    result: dict[str, Any] = {"resultType": "input_required", "inputRequests": dict(requests)}
    return result if state is None else {**result, "requestState": state}


async def _log(context: Context, message: str) -> None:
    """In the current revision only for a request that asked for it, as the session's own gate says."""
    if "info" in context.session._allowed_log_levels:
        await context.session._request_outbound.notify("notifications/message", {"level": "info", "data": message})
