"""The demo's upstream servers as data: package, pin, licence, how to start it, how many tools it lists.

In `arguments` and `environment`, `{repository}`, `{database}`, `{files}` and `{memory}` stand for the scratch things
of `examples.demo.scratch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Ecosystem(StrEnum):
    """Where a package comes from."""

    PYTHON = "python"  # a virtual environment of its own, so that its pins do not meet ours
    NODE = "node"  # one shared node_modules, installed without running package scripts


@dataclass(frozen=True, slots=True)
class DemoServer:
    """One upstream server. `tools` is what the pinned version lists to a client without capabilities."""

    name: str
    ecosystem: Ecosystem
    package: str
    version: str
    licence: str
    tools: int
    entry: str  # console script (Python) or script inside the package (Node)
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    alongside: tuple[str, ...] = ()  # requirements the package needs and does not state

    @property
    def requirements(self) -> tuple[str, ...]:
        """What its installer is asked for, in that installer's own spelling."""
        pin = "==" if self.ecosystem is Ecosystem.PYTHON else "@"
        return (f"{self.package}{pin}{self.version}", *self.alongside)


SERVERS = (
    DemoServer(
        name="time",
        ecosystem=Ecosystem.PYTHON,
        package="mcp-server-time",
        version="2026.10.19",
        licence="MIT",
        tools=2,
        entry="mcp-server-time",
        arguments=("--local-timezone", "UTC"),
    ),
    DemoServer(
        name="git",
        ecosystem=Ecosystem.PYTHON,
        package="mcp-server-git",
        version="2026.10.19",
        licence="MIT",
        tools=12,
        entry="mcp-server-git",
        arguments=("--repository", "{repository}"),
    ),
    DemoServer(
        name="fetch",
        ecosystem=Ecosystem.PYTHON,
        package="mcp-server-fetch",
        version="2026.10.24",
        licence="MIT",
        tools=1,
        entry="mcp-server-fetch",
    ),
    DemoServer(
        name="sqlite",
        ecosystem=Ecosystem.PYTHON,
        package="mcp-server-sqlite",
        version="2025.4.25",
        licence="MIT",
        tools=6,
        entry="mcp-server-sqlite",
        arguments=("--db-path", "{database}"),
        alongside=("mcp<2",),  # written for the first SDK: with the second it dies at start
    ),
    DemoServer(
        name="everything",
        ecosystem=Ecosystem.NODE,
        package="@modelcontextprotocol/server-everything",
        version="2026.8.31",
        licence="MIT and Apache-2.0",
        tools=13,
        entry="dist/index.js",
    ),
    DemoServer(
        name="filesystem",
        ecosystem=Ecosystem.NODE,
        package="@modelcontextprotocol/server-filesystem",
        version="2026.8.31",
        licence="MIT and Apache-2.0",
        tools=14,
        entry="dist/index.js",
        arguments=("{files}",),
    ),
    DemoServer(
        name="memory",
        ecosystem=Ecosystem.NODE,
        package="@modelcontextprotocol/server-memory",
        version="2026.8.31",
        licence="MIT and Apache-2.0",
        tools=9,
        entry="dist/index.js",
        environment={"MEMORY_FILE_PATH": "{memory}"},
    ),
)
