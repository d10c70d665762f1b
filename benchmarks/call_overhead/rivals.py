"""Other Python gateways in front of the same upstream, each in an environment of its own under `.rivals/`.

python -m benchmarks.call_overhead.rivals   installs them; without that they are left out, and the result says so
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".rivals"

_FASTMCP_DEFAULT = """
import sys
from fastmcp.server import create_proxy
create_proxy(sys.argv[1]).run(
    transport="http", host="127.0.0.1", port=int(sys.argv[2]), stateless_http=True, json_response=True,
    show_banner=False, log_level="error")
"""

_FASTMCP_POOLED = """
import asyncio, sys
from fastmcp.server.providers.proxy import FastMCPProxy, ProxyClient
async def main():
    client = ProxyClient(sys.argv[1])
    async with client:
        proxy = FastMCPProxy(client_factory=lambda: client)
        await proxy.run_async(
            transport="http", host="127.0.0.1", port=int(sys.argv[2]), stateless_http=True, json_response=True,
            show_banner=False, log_level="error")
asyncio.run(main())
"""


@dataclass(frozen=True, slots=True)
class Rival:
    """How one is installed and started; `URL`, `PORT` and `PROGRAM` in its command are replaced."""

    name: str
    requirement: str
    command: tuple[str, ...]  # after the bin folder of its environment

    @property
    def environment(self) -> Path:
        return FOLDER / self.requirement.partition("==")[0]

    @property
    def installed(self) -> bool:
        return (self.environment / "bin" / self.command[0]).is_file()

    def argv(self, url: str, port: int) -> list[str]:
        program = str(self.environment / "bin" / self.command[0])
        words = {"URL": url, "PORT": str(port), "PROGRAM": program}
        return [program, *(words.get(word, word) for word in self.command[1:])]


RIVALS = (
    Rival(
        "mcp_proxy",
        "mcp-proxy==0.13.0",
        # It bridges HTTP to stdio and stdio to HTTP: in front of an HTTP server it takes one of each.
        ("mcp-proxy", "--stateless", "--port", "PORT", "--", "PROGRAM", "--transport", "streamablehttp", "URL"),
    ),
    Rival("fastmcp_default", "fastmcp==4.1.2", ("python", "-c", _FASTMCP_DEFAULT, "URL", "PORT")),
    Rival("fastmcp_pooled", "fastmcp==4.1.2", ("python", "-c", _FASTMCP_POOLED, "URL", "PORT")),
)


def install() -> None:
    """Every environment that is missing."""
    for rival in RIVALS:
        if rival.installed and (rival.environment / ".installed").is_file():
            continue
        subprocess.run([sys.executable, "-m", "venv", rival.environment], check=True)
        python = str(rival.environment / "bin" / "python")
        pip = [python, "-m", "pip", "install", "--quiet", rival.requirement]
        subprocess.run(pip, check=True)
        (rival.environment / ".installed").touch()


if __name__ == "__main__":
    install()
