"""Ten real clients against a real gateway: `make clients`, or `python -m tests.clients --dir .clients [NAME...]`; with
N=full in the environment the result is kept.

All travel at once (tests/clients/drivers/journey.py says where to); when the last one has come as far as it can without
it, the gateway is restarted on its port, and each goes on. Prints `clients_NAME_STEP value target PASS|FAIL`, and the
seconds it took against three minutes; exit status 1 on any FAIL.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.report import RESULTS, Promise, evidence
from domain.servers import Transport
from tests.clients.install import command, environment
from tests.clients.packages import CLIENTS, Client
from tests.e2e.running import command as toolcrib
from tests.e2e.running import serving
from tests.upstreams.running import http_upstream

SECONDS = 180.0
_LEG_S = 100.0
"""Longer than all steps of a journey may take together (journey.py gives each 20 s)."""


@dataclass
class Traveller:
    """One client under way: what its driver reported, and the end of its standard error."""

    client: Client
    process: Process
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_words: bytes = b""

    @classmethod
    async def start(cls, folder: Path, client: Client, url: str) -> Traveller:
        env = {**environment(folder), "MCP_USE_ANONYMIZED_TELEMETRY": "false"}
        argv = command(folder, client, url)
        process = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env)
        return cls(client, process)

    async def leg(self) -> None:
        """Read what it reports until it waits for the restart, or ends."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            said = json.loads(line) if line.startswith(b"{") else {}  # some libraries print to standard output
            if said.get("ready"):
                return
            if "step" in said:
                self.steps[said["step"]] = said

    async def go_on(self) -> None:
        assert self.process.stdin is not None
        if self.process.returncode is None:
            self.process.stdin.write(b"\n")

    async def listen(self) -> None:
        assert self.process.stderr is not None
        while text := await self.process.stderr.read(4096):
            self.last_words = (self.last_words + text)[-2000:]

    def promises(self) -> list[tuple[Promise, str]]:
        found = []
        for step in self.client.steps:
            said = self.steps.get(step, {"passed": False, "detail": "the driver did not come so far"})
            promise = Promise(f"clients_{self.client.name}_{step}", float(said["passed"]), 1, at_most=False)
            found.append((promise, str(said["detail"])))
        return found


async def journeys(folder: Path, clients: Sequence[Client]) -> list[Traveller]:
    """Every client there and back."""
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as first:
        data = Path(scratch)
        async with http_upstream(Transport.STREAMABLE_HTTP) as upstream:
            gateway = first.enter_context(serving(data))
            added = await asyncio.to_thread(toolcrib, data, "servers", "add", "ref", "--url", upstream.url)
            assert added.returncode == 0, added.stderr
            url = f"{gateway.url}/mcp"
            travellers = [await Traveller.start(folder, client, url) for client in clients]
            listening = [asyncio.create_task(traveller.listen()) for traveller in travellers]
            try:
                await _all(travellers)
                await asyncio.to_thread(first.close)
                with serving(data, port=urlsplit(gateway.url).port or 0):
                    for traveller in travellers:
                        await traveller.go_on()
                    await _all(travellers)
            finally:
                for traveller in travellers:
                    if traveller.process.returncode is None:
                        traveller.process.kill()
                await asyncio.gather(*listening, *(traveller.process.wait() for traveller in travellers))
            return travellers


async def _all(travellers: Sequence[Traveller]) -> None:
    legs = [asyncio.create_task(traveller.leg()) for traveller in travellers]
    _, late = await asyncio.wait(legs, timeout=_LEG_S)
    for leg in late:
        leg.cancel()


def show(travellers: Sequence[Traveller], seconds: float) -> list[Promise]:
    """Print the lines, which are the promises."""
    everything = [pair for traveller in travellers for pair in traveller.promises()]
    everything.append((Promise("clients_seconds", seconds, SECONDS, " s"), ""))
    for promise, detail in everything:
        print(f"{promise}{f'  ({detail})' if detail else ''}")
    for traveller in travellers:
        if any(not promise.holds for promise, _ in traveller.promises()) and traveller.last_words:
            print(
                f"--- {traveller.client.name} wrote to standard error:\n{traveller.last_words.decode(errors='replace')}"
            )
    return [promise for promise, _ in everything]


def main() -> None:
    parser = argparse.ArgumentParser(description="Ten real clients against a real gateway.")
    parser.add_argument("names", nargs="*", help="only these clients")
    parser.add_argument("--dir", type=Path, default=Path(".clients"))
    options = parser.parse_args()
    started = time.monotonic()
    chosen = [client for client in CLIENTS if client.name in options.names or not options.names]
    travellers = asyncio.run(journeys(options.dir.resolve(), chosen))
    promises = show(travellers, time.monotonic() - started)
    if os.environ.get("N") == "full":
        versions = {client.name: list(client.requirements) for client in chosen}
        kept = evidence("make clients", promises, {"clients": versions})
        (RESULTS / "clients.json").write_text(json.dumps(kept, indent=2) + "\n")
    sys.exit(0 if all(promise.holds for promise in promises) else 1)


if __name__ == "__main__":
    main()
