"""Small values for tests of the store and of sync."""

from __future__ import annotations

from typing import Any

from domain.catalogue import CatalogueDiff
from domain.memory import ToolMemory
from domain.memory_entries import MemoryEntry
from domain.names import tool_id_for
from domain.servers import Launch, Transport, UpstreamServer
from domain.sessions import MemoryMode, Session, SessionLimits
from domain.tools import CatalogueTool, ToolDocument, ToolState

TENANT = "default"
NOW = 1_700_000_000.0


def a_server(slug: str = "files", *, tenant: str = TENANT, title: str | None = None) -> UpstreamServer:
    launch = Launch(Transport.STDIO, command=("serve", "--root", "/tmp"), env={"TOKEN": "hidden"})
    return UpstreamServer(tenant, slug, title or slug, launch)


def a_document(name: str, *, server: str = "files", description: str = "", **more: Any) -> ToolDocument:
    raw = {"name": name, "description": description or f"Does {name}.", "inputSchema": {"type": "object"}, **more}
    return ToolDocument.from_upstream(server, server, raw)


def a_tool(
    name: str, *, tenant: str = TENANT, server: str = "files", description: str = "", **more: Any
) -> CatalogueTool:
    document = a_document(name, server=server, description=description, **more)
    return CatalogueTool(tenant, tool_id_for(server, name), document, ToolState.ACTIVE, 1)


def adding(*tools: CatalogueTool) -> CatalogueDiff:
    return CatalogueDiff(added=tools)


def a_session(session_id: str = "s_1", *, subject: str = "local", created_at: float = NOW) -> Session:
    return Session(TENANT, session_id, subject, MemoryMode.LRU, SessionLimits(), created_at, created_at + 3600)


def an_entry(tool_id: str, *, reason: str = "call", at: float = NOW) -> MemoryEntry:
    return MemoryEntry(tool_id, reason, at, 100, at)


def a_memory(*tool_ids: str) -> ToolMemory:
    return ToolMemory(SessionLimits()).add(an_entry(tool_id) for tool_id in tool_ids).memory
