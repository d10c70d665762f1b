"""The demo's upstream servers: the file that names them, and the servers themselves where they are installed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from examples.demo.install import install
from examples.demo.packages import SERVERS, DemoServer, Ecosystem
from examples.demo.scratch import make_scratch
from examples.demo.servers import CONFIG, client_config
from tests.conftest import ROOT, absent

DEMO = Path(os.environ.get("TOOLCRIB_DEMO", ROOT / ".demo"))


def test_the_demo_promises_fifty_tools_with_node_and_twenty_without() -> None:
    without_node = sum(server.tools for server in SERVERS if server.ecosystem is Ecosystem.PYTHON)
    assert without_node >= 20
    assert without_node + sum(server.tools for server in SERVERS if server.ecosystem is Ecosystem.NODE) >= 50


def test_the_client_file_has_absolute_commands_and_no_placeholder_left(tmp_path: Path) -> None:
    places = make_scratch(tmp_path / "scratch")
    entries = client_config(tmp_path, SERVERS, places)["mcpServers"]
    assert list(entries) == [server.name for server in SERVERS]
    assert entries["sqlite"] == {
        "command": str(tmp_path / "python" / "sqlite" / "bin" / "mcp-server-sqlite"),
        "args": ["--db-path", places["database"]],
    }
    assert entries["memory"]["env"] == {"MEMORY_FILE_PATH": places["memory"]}
    assert "{" not in "".join(part for entry in entries.values() for part in (entry["command"], *entry["args"]))


def test_scratch_things_are_made_once_and_then_kept(tmp_path: Path) -> None:
    repository = Path(make_scratch(tmp_path)["repository"])
    first = (repository / ".git" / "HEAD").stat().st_mtime_ns
    make_scratch(tmp_path)
    assert (repository / ".git" / "HEAD").stat().st_mtime_ns == first


def test_a_package_that_cannot_be_installed_is_named_in_one_sentence(tmp_path: Path) -> None:
    missing = DemoServer(
        "missing", Ecosystem.PYTHON, "toolcrib-demo-missing", "1", "-", 1, "x", (), {}, ("--no-index",)
    )
    heard: list[tuple[str, bool]] = []
    ready = install(tmp_path, [missing], lambda sentence, good: heard.append((sentence, good)))
    assert ready == ()
    [(sentence, good)] = heard
    assert not good
    assert sentence.startswith("missing: `toolcrib-demo-missing==1` could not be installed (ERROR: No matching")
    assert sentence.endswith("check the network, then run this again")


@pytest.fixture
def nowhere() -> Iterator[TextIO]:
    """Where the servers' own log lines go."""
    with Path(os.devnull).open("w") as stream:
        yield stream


@pytest.mark.anyio
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
async def test_an_installed_server_starts_and_lists_the_tools_it_is_said_to(
    server: DemoServer, nowhere: TextIO
) -> None:
    config = DEMO / CONFIG
    entries = json.loads(config.read_text(encoding="utf-8"))["mcpServers"] if config.is_file() else {}
    if server.name not in entries:
        absent(f"The demo server {server.name!r} (make demo-servers)")
    entry = entries[server.name]
    launch = StdioServerParameters(command=entry["command"], args=entry["args"], env=entry.get("env"))
    async with Client(stdio_client(launch, errlog=nowhere)) as client:
        listed = await client.list_tools()
    assert len(listed.tools) == server.tools, [tool.name for tool in listed.tools]
