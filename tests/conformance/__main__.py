"""`make conformance`: the official suite through the gateway, and our upstream side under its client suite.

    python -m tests.conformance --dir .conformance [--full]

Short: the three revisions over streamable HTTP, then the client suite. Full: also over stdio and HTTP+SSE, and the
reference upstream without the gateway. Prints `conformance_<revision>_<transport> passed/total target PASS|FAIL`,
exit status 1 on any FAIL.
"""

# ruff: noqa: T201 - prints its lines

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import RESULTS, evidence
from domain.servers import Transport
from gateway.api_client import ApiClient
from gateway.runner import run_gateway
from gateway.settings import Settings
from tests.conformance.install import SUITE, VERSION, node_home, suite_script
from tests.upstreams.running import ROOT, START_S

EXPECTED_FAILURES = Path(__file__).with_name("expected-failures.yml")
CLIENT = f"{sys.executable} -m tests.conformance.client"
TARGETS = {"2025-06-18": 56, "2025-11-25": 84, "2026-07-28": 151}
LESS = {("2025-11-25", "stdio"): 83, ("2025-11-25", "sse"): 83}
"""One check less where the upstream's transport has no stream that the server could end early (SEP-1699)."""
FORGIVEN = {"conformance_2026-07-28_direct": 1}
"""The SDK compares header values with the blanks around them; the gateway takes those off in front of it."""
CLIENT_TARGETS = {"2025-11-25": 247, "2026-07-28": 405}
_UPSTREAM = ("tests.conformance.upstream", "--transport")
_TOTAL = re.compile(r"Total: (\d+) passed, (\d+) failed")
_SUITE_S = 240.0
_SAID_LINES = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the report. A run that said nothing has failed."""

    name: str
    passed: int
    failed: int
    target: int
    forgiven: int = 0  # failures that are known, as FORGIVEN says

    @property
    def holds(self) -> bool:
        return self.passed >= self.target and self.failed <= self.forgiven

    def __str__(self) -> str:
        total = self.passed + self.failed
        return f"{self.name} {self.passed}/{total} >={self.target} {'PASS' if self.holds else 'FAIL'}"


@dataclass(frozen=True, slots=True)
class Suite:
    """The installed suite, and where it leaves its results."""

    folder: Path

    async def server(self, name: str, revision: str, url: str, target: int) -> Line:
        return await self._run(name, revision, target, "server", "--url", url)

    async def client(self, revision: str) -> Line:
        arguments = ("client", "--command", CLIENT, "--timeout", "90000")
        return await self._run(f"conformance_client_{revision}", revision, CLIENT_TARGETS[revision], *arguments)

    async def _run(self, name: str, revision: str, target: int, *arguments: str) -> Line:
        node = node_home(self.folder) / "bin/node"
        out = self.folder / "results" / name
        shutil.rmtree(out, ignore_errors=True)
        command = [str(node), str(suite_script(self.folder)), *arguments, "--suite", "all", "--spec-version", revision]
        if _is_listed(EXPECTED_FAILURES):
            command += ["--expected-failures", str(EXPECTED_FAILURES)]
        environment = {**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ['PATH']}"}
        process = await asyncio.create_subprocess_exec(
            *command, "-o", str(out), cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        try:
            said, _ = await asyncio.wait_for(process.communicate(), _SUITE_S)
        except TimeoutError:
            process.kill()
            said = b""
        text = said.decode("utf-8", "replace")
        (self.folder / f"{name}.log").write_text(text)
        totals = _TOTAL.findall(text)
        passed, failed = map(int, totals[-1]) if totals else (0, 1)
        line = Line(name, passed, failed, target, FORGIVEN.get(name, 0))
        print(line, flush=True)
        if failed:
            print("\n".join(f"    {fault}" for fault in (*_faults(text), *_reasons(out))), flush=True)
        return line


def _is_listed(expected: Path) -> bool:
    return any(line.lstrip().startswith("- ") for line in expected.read_text().splitlines())


def _faults(text: str) -> Iterator[str]:
    yield from (line for line in text.splitlines() if line.startswith("✗"))


def _reasons(out: Path) -> Iterator[str]:
    """What the suite found, and what our client said last where it was the one that was tested."""
    for kept in sorted(out.rglob("checks.json")):
        try:
            checks = json.loads(kept.read_text())
        except json.JSONDecodeError:  # the suite was ended while it wrote
            continue
        failed = [check for check in checks if check["status"] == "FAILURE"]
        for check in failed:
            yield f"{check['id']}: {check.get('errorMessage') or check.get('details') or check['description']}"
        said = kept.with_name("stderr.txt")
        if failed and said.exists():
            yield from said.read_text(errors="replace").splitlines()[-_SAID_LINES:]


@asynccontextmanager
async def upstream(transport: str) -> AsyncIterator[str]:
    """The reference upstream over HTTP, as a process of its own; its URL."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *_UPSTREAM, transport, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), START_S)).decode().strip()
    finally:
        process.kill()
        await process.wait()


async def registration(transport: str, stack: AsyncExitStack) -> dict[str, object]:
    """What POST /servers takes for the reference upstream, which runs as long as `stack`."""
    body: dict[str, object] = {"name": transport, "transport": transport, "consent": True}
    if transport == Transport.STDIO:
        return body | {"command": [sys.executable, "-m", *_UPSTREAM, transport], "cwd": str(ROOT)}
    return body | {"url": await stack.enter_async_context(upstream(transport))}


async def run(suite: Suite, *, full: bool) -> list[Line]:
    transports = [transport.value for transport in Transport] if full else [Transport.STREAMABLE_HTTP.value]
    lines: list[Line] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-conformance-")))
        bodies = [await registration(transport, stack) for transport in transports]
        gateway = await stack.enter_async_context(run_gateway(Settings(data=folder, port=0)))
        api = await stack.enter_async_context(ApiClient(gateway.url))
        for body in bodies:
            await api.post("/servers", body)
        slugs = {server["transport"]: server["server"] for server in (await api.get("/servers"))["servers"]}
        if full:
            address = await stack.enter_async_context(upstream("streamable-http"))
            for revision, target in TARGETS.items():
                lines.append(await suite.server(f"conformance_{revision}_direct", revision, address, target))
        for transport in transports:
            for revision, target in TARGETS.items():
                url = f"{gateway.url}/mcp/servers/{slugs[transport]}"
                least = LESS.get((revision, transport), target)
                lines.append(await suite.server(f"conformance_{revision}_{transport}", revision, url, least))
    return lines + [await suite.client(revision) for revision in CLIENT_TARGETS]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, default=Path(".conformance"))
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    lines = asyncio.run(run(Suite(options.dir.absolute()), full=options.full))
    if options.full:
        counts = {line.name: {"passed": line.passed, "failed": line.failed, "holds": line.holds} for line in lines}
        RESULTS.mkdir(exist_ok=True)
        kept = {**evidence("make conformance N=full", [], {}), "suite": f"{SUITE}@{VERSION}", "lines": counts}
        del kept["promises"]  # the lines are
        (RESULTS / "conformance.json").write_text(json.dumps(kept, indent=2) + "\n")
    sys.exit(0 if all(line.holds for line in lines) else 1)


if __name__ == "__main__":
    main()
