from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import MCPError

from gateway.mcp.transparent.capabilities import (
    SERVED_VERSIONS,
    TASKS_EXTENSION,
    announces,
    discovery,
    initialization,
    offered,
    questions_of,
    require_declared,
)

INFO = {"name": "up", "version": "1", "x-kept": True}
INITIALIZED = {
    "protocolVersion": "2024-11-05",
    "capabilities": {"tools": {"listChanged": True}, "tasks": {"list": {}}, "x": {"y": None}},
    "serverInfo": INFO,
    "instructions": "Read this.",
    "x-more": [1],
}
DISCOVERED = {
    "resultType": "complete",
    "supportedVersions": ["2026-07-28"],
    "capabilities": {"tools": {}, "extensions": {TASKS_EXTENSION: {}, "com.example/x": {}}},
    "instructions": "Read this.",
    "ttlMs": 5,
    "cacheScope": "public",
    "_meta": {"io.modelcontextprotocol/serverInfo": INFO, "com.example/m": 1},
}
FORM = {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}
URL = {"method": "elicitation/create", "params": {"mode": "url", "url": "https://example.com", "message": "?"}}
SAMPLE = {"method": "sampling/createMessage", "params": {}}
ROOTS = {"method": "roots/list"}


def test_a_handshake_is_told_as_a_discovery() -> None:
    assert discovery(INITIALIZED) == {
        "resultType": "complete",
        "supportedVersions": SERVED_VERSIONS,
        "capabilities": {"tools": {"listChanged": True}, "x": {"y": None}},
        "instructions": "Read this.",
        "ttlMs": 0,
        "cacheScope": "private",
        "x-more": [1],
        "_meta": {"io.modelcontextprotocol/serverInfo": INFO},
    }


def test_a_discovery_is_told_as_a_handshake() -> None:
    assert initialization(DISCOVERED, "up", "2025-06-18") == {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}, "extensions": {"com.example/x": {}}},
        "serverInfo": INFO,
        "instructions": "Read this.",
        "_meta": DISCOVERED["_meta"],
    }


def test_a_discovery_keeps_its_words_and_says_every_version_that_is_served() -> None:
    assert discovery(DISCOVERED) == {
        **DISCOVERED,
        "supportedVersions": SERVED_VERSIONS,
        "capabilities": offered(DISCOVERED),
    }


def test_a_server_that_does_not_say_who_it_is_goes_by_its_name_here() -> None:
    assert initialization({"capabilities": {}}, "up", "2025-06-18")["serverInfo"] == {"name": "up", "version": ""}
    assert discovery({"capabilities": {}})["_meta"] == {}


@pytest.mark.parametrize(
    ("declared", "request_"),
    [
        ({"elicitation": {}}, FORM),
        ({"elicitation": {"form": {}}}, FORM),
        ({"elicitation": {"url": {}}}, URL),
        ({"sampling": {}}, SAMPLE),
        ({"roots": {"listChanged": True}}, ROOTS),
    ],
)
def test_a_declared_question_passes(declared: dict[str, Any], request_: dict[str, Any]) -> None:
    require_declared(declared, request_)


@pytest.mark.parametrize(
    ("declared", "request_", "needed"),
    [
        ({}, FORM, {"elicitation": {}}),
        ({"elicitation": {}}, URL, {"elicitation": {"url": {}}}),
        ({"elicitation": {"url": {}}}, FORM, {"elicitation": {}}),
        ({"elicitation": {}}, SAMPLE, {"sampling": {}}),
        ({"roots": None}, ROOTS, {"roots": {}}),
    ],
)
def test_an_undeclared_question_is_refused_and_says_what_it_needs(
    declared: dict[str, Any], request_: dict[str, Any], needed: dict[str, Any]
) -> None:
    with pytest.raises(MCPError) as refusal:
        require_declared(declared, request_)
    assert (refusal.value.code, refusal.value.data) == (-32021, {"requiredCapabilities": needed})


@pytest.mark.parametrize("url", ["javascript:alert(1)", "file:///etc/passwd", "", None, "//example.com"])
def test_an_address_that_is_no_web_address_is_not_passed_on(url: object) -> None:
    with pytest.raises(MCPError, match="no web address"):
        require_declared(
            {"elicitation": {"url": {}}}, {"method": "elicitation/create", "params": {"mode": "url", "url": url}}
        )


def test_a_question_that_is_none_is_not_passed_on() -> None:
    with pytest.raises(MCPError, match="no request to a client"):
        require_declared({"elicitation": {}}, {"method": "tools/call", "params": {}})


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
_KEYS = st.sampled_from(
    ["capabilities", "tools", "listChanged", "tasks", "extensions", "_meta", "serverInfo", "inputRequests", "method",
     "params", "mode", "url", "elicitation", "elicitation/create", "io.modelcontextprotocol/serverInfo"]
)  # fmt: skip
_JSON = st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4))
_OBJECTS = st.dictionaries(_KEYS, _JSON, max_size=6)


@given(said=_OBJECTS, declared=_OBJECTS, asked=_JSON, url=st.text(max_size=30))
def test_whatever_a_peer_says_is_translated_or_refused_by_name(
    said: dict[str, Any], declared: dict[str, Any], asked: Any, url: str
) -> None:
    assert discovery(said)["capabilities"] == initialization(said, "up", "2025-11-25")["capabilities"] == offered(said)
    assert "tasks" not in offered(said)
    assert announces(offered(said), "tools", "listChanged") in {True, False}
    opening = {"method": "elicitation/create", "params": {"mode": "url", "url": url}}
    for question in (asked, opening):
        try:
            require_declared(declared | {"elicitation": {"url": {}}}, question)
        except MCPError as error:
            assert error.code in {-32021, -32602}  # noqa: PT017 - either is a name
    try:
        assert questions_of(said) == said.get("inputRequests", {})
    except MCPError as error:
        assert error.code == -32603  # noqa: PT017
