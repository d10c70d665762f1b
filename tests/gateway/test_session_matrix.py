"""Two principals never see, touch or guess each other's memory: every operation that takes a handle, found in the
application itself, by every stranger with every kind of handle.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI, Request

from domain.identity import Principal, Role
from domain.memory import ToolMemory
from domain.sessions import MemoryMode, Session, SessionLimits, mint_handle
from gateway.api.app import make_app
from gateway.api.dependencies import _principal
from gateway.mcp.backend_local import LocalBackend
from gateway.mcp.meta_tools import META_TOOLS
from gateway.mcp.server import answer_call
from gateway.settings import Settings
from gateway.wiring import Toolcrib, open_toolcrib
from tests.store.making import a_server, a_tool, adding

pytestmark = pytest.mark.anyio

OWNER = Principal("default", "owner", frozenset({Role.AGENT}))
STRANGERS = {
    "colleague": Principal("default", "colleague", frozenset({Role.AGENT})),
    "namesake": Principal("elsewhere", "owner", frozenset({Role.AGENT})),
    "foreign-admin": Principal("elsewhere", "root", frozenset(Role)),
    "prefix": Principal("default", "owne", frozenset({Role.AGENT})),
    "case": Principal("default", "OWNER", frozenset({Role.AGENT})),
}
EVERYBODY = {"owner": OWNER, **STRANGERS}
TOOL = "files__read"
SAMPLES: dict[str, Any] = {
    "queries": ["read a file"],
    "tool": TOOL,
    "name": TOOL,
    "names": [TOOL],
    "request": "read a file",
    "arguments": {},
    "steps": [{"id": "only", "tool": TOOL}],
    "messages": ["read a file"],
    "add": [TOOL],
    "pin": [TOOL],
    "remove": ["files__write"],
}
"""A valid value for every parameter that an operation with a handle requires, and for those that change a memory."""


@dataclass(frozen=True)
class Operation:
    """One operation of the HTTP API that takes a handle, in its path or in its body."""

    method: str
    path: str
    body: dict[str, Any] | None
    in_body: str | None = None

    async def by(self, http: httpx2.AsyncClient, who: str, handle: str) -> httpx2.Response:
        body = {**self.body, self.in_body: handle} if self.body is not None and self.in_body else self.body
        path = self.path.replace("{session_id}", quote(handle, safe=""))
        return await http.request(self.method, path, json=body, headers={"x-test-principal": who})


@pytest.fixture
async def crib(tmp_path: Path) -> AsyncIterator[Toolcrib]:
    async with open_toolcrib(Settings(data=tmp_path), follow=False) as opened:
        for tenant in ("default", "elsewhere"):
            await opened.store.servers.add(replace(a_server(), tenant=tenant))
            tools = adding(a_tool("read", tenant=tenant), a_tool("write", tenant=tenant))
            await opened.store.catalogue.apply(tenant, "files", tools, expected_generation=0, at=1.0)
        await opened.indexer.drain()
        yield opened


@pytest.fixture
def app(crib: Toolcrib) -> FastAPI:
    made = make_app(crib)
    made.dependency_overrides[_principal] = _named
    return made


def _named(request: Request) -> Principal:
    return EVERYBODY[request.headers["x-test-principal"]]


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1", trust_env=False) as client,
    ):
        yield client


@pytest.fixture
async def session(crib: Toolcrib) -> str:
    """The owner's, with two tools in it."""
    opened = await crib.sessions.open(OWNER)
    tools = list((await crib.catalogue.get_many(OWNER.tenant, [TOOL, "files__write"])).values())
    await crib.sessions.remember(OWNER, opened.id, tools, "search: secret plan")
    await crib.journal.flush()
    return opened.id


async def expired(crib: Toolcrib) -> str:
    then = time.time() - 100.0
    old = Session(OWNER.tenant, mint_handle(), OWNER.subject, MemoryMode.LRU, SessionLimits(), then, then + 50.0)
    await crib.store.sessions.create(old, ToolMemory(old.limits, old.mode))
    return old.id


def guesses(handle: str) -> Iterator[str]:
    """What one might try who has seen, or half seen, a handle."""
    yield from (handle, handle.upper(), handle[:-1], handle + " ", f" {handle}", handle.replace("s_", ""))
    yield from (
        mint_handle(),
        "s_",
        "%",
        "s_%",
        "s_" + "_" * 32,
        "' OR '1'='1",
        "../" + handle,
        "\u0000",
        "s_" + "0" * 32,
    )


def operations(app: FastAPI) -> list[Operation]:
    """Every operation of the application that takes a handle. A new one is found here by itself."""
    described = app.openapi()
    return [
        operation
        for path, methods in described["paths"].items()
        for method, description in methods.items()
        if (operation := _operation(described, path, method, description)) is not None
    ]


def _operation(described: Any, path: str, method: str, description: Any) -> Operation | None:
    content = description.get("requestBody", {}).get("content", {}).get("application/json", {})
    reference = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    schema = described["components"]["schemas"].get(reference, {"properties": {}})
    in_body = next((name for name in ("session_id", "session") if name in schema["properties"]), None)
    if "{session_id}" not in path and in_body is None:
        return None
    wanted = set(schema.get("required", ())) | (schema["properties"].keys() & SAMPLES.keys())
    return Operation(method, path, {name: SAMPLES[name] for name in wanted} if reference else None, in_body)


async def test_every_operation_that_takes_a_handle_is_among_those_tried(app: FastAPI) -> None:
    found = {(operation.method, operation.path) for operation in operations(app)}
    assert found >= {
        ("get", "/api/v1/sessions/{session_id}"),
        ("delete", "/api/v1/sessions/{session_id}"),
        ("get", "/api/v1/sessions/{session_id}/memory"),
        ("post", "/api/v1/sessions/{session_id}/memory"),
        ("post", "/api/v1/search"),
        ("post", "/api/v1/call"),
        ("post", "/api/v1/plan"),
    }


async def test_over_http_a_strangers_handle_is_one_that_does_not_exist(
    crib: Toolcrib, app: FastAPI, http: httpx2.AsyncClient, session: str
) -> None:
    before = await crib.store.sessions.get(OWNER.tenant, None, session, time.time())
    handles = [*guesses(session), await expired(crib)]
    for operation in operations(app):
        for who in STRANGERS:
            unknown = await operation.by(http, who, mint_handle())
            assert (unknown.status_code, unknown.json()["code"]) == (404, "session_not_found")
            for handle in handles:
                answer = await operation.by(http, who, handle)
                assert answer.status_code in {404, 422}, (operation, who, handle, answer.text)
                if handle == session:
                    assert answer.content == unknown.content
                assert "secret plan" not in answer.text
    assert await crib.store.sessions.get(OWNER.tenant, None, session, time.time()) == before


async def test_over_http_the_owners_own_guesses_and_expired_handles_find_nothing(
    crib: Toolcrib, app: FastAPI, http: httpx2.AsyncClient, session: str
) -> None:
    before = await crib.sessions.show(OWNER, session)
    for operation in operations(app):
        for handle in [*guesses(session), await expired(crib)]:
            if handle != session:
                answer = await operation.by(http, "owner", handle)
                assert answer.status_code in {404, 422}, (operation, handle, answer.text)
    assert await crib.sessions.show(OWNER, session) == before


async def test_no_listing_shows_a_stranger_that_the_session_exists(
    app: FastAPI, http: httpx2.AsyncClient, session: str
) -> None:
    listings = [path for path, methods in app.openapi()["paths"].items() if "get" in methods and "{" not in path]
    assert {"/api/v1/sessions", "/api/v1/trajectories", "/api/v1/events"} <= set(listings)
    for who in STRANGERS:
        for path in listings:
            answer = await http.get(path, headers={"x-test-principal": who})
            assert session not in answer.text
            assert "secret plan" not in answer.text
    assert session in (await http.get("/api/v1/sessions", headers={"x-test-principal": "owner"})).text


@pytest.mark.parametrize("name", sorted(META_TOOLS))
async def test_over_mcp_a_strangers_handle_is_one_that_does_not_exist(crib: Toolcrib, session: str, name: str) -> None:
    before = await crib.store.sessions.get(OWNER.tenant, None, session, time.time())
    for who, principal in STRANGERS.items():
        backend = LocalBackend(crib, principal)
        unknown = await answer_call(backend, name, {**SAMPLES, "session": mint_handle()})
        for handle in guesses(session):
            answer = await answer_call(backend, name, {**SAMPLES, "session": handle})
            said = str(answer)
            assert answer["isError"], (who, handle, said)
            assert "secret plan" not in said
            if handle == session:
                assert answer == unknown
    assert await crib.store.sessions.get(OWNER.tenant, None, session, time.time()) == before


async def test_an_admin_sees_the_sessions_of_its_own_tenant_only(crib: Toolcrib, session: str) -> None:
    admin = Principal("default", "root", frozenset(Role))
    assert (await crib.sessions.show(admin, session))[0].subject == OWNER.subject
    assert [found.id for found, _ in await crib.sessions.listing(admin, offset=0, limit=10)] == [session]
    assert await crib.sessions.listing(STRANGERS["foreign-admin"], offset=0, limit=10) == []


async def test_handles_are_of_128_bits_and_never_alike() -> None:
    handles = {mint_handle() for _ in range(10_000)}
    assert len(handles) == 10_000
    assert {len(handle) for handle in handles} == {2 + 32}
