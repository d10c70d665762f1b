"""Starts real gateways and commands as processes, and waits for what they say instead of sleeping."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

TOOLCRIB = [sys.executable, "-m", "gateway.cli"]
START_DEADLINE_S = 120.0  # only to end a run that hangs; benchmarks.start_time measures


@dataclass(frozen=True)
class GatewayProcess:
    """A running `toolcrib serve`."""

    process: subprocess.Popen[str]
    data: Path
    url: str
    started_in_s: float

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@contextmanager
def serving(data: Path, *, port: int = 0, **settings: str) -> Iterator[GatewayProcess]:
    """`toolcrib serve` on loopback, on a free port unless one is given; ended by SIGTERM."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [*TOOLCRIB, "serve", "--port", str(port), "--data", str(data)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**settings),
    )
    assert process.stderr is not None
    drain = threading.Thread(target=_drain, args=(process.stderr,), daemon=True)
    try:
        url = _address(process, started)
        drain.start()
        yield GatewayProcess(process, data, url, time.perf_counter() - started)
    finally:
        process.terminate()
        process.wait(timeout=60)
        if drain.is_alive():
            drain.join()
        process.stderr.close()


def command(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """One command, to its end."""
    return subprocess.run(
        [*TOOLCRIB, *arguments],
        capture_output=True, text=True, timeout=120, check=False, env=environment(data=str(data), **settings),
    )  # fmt: skip


def command_json(data: Path, *arguments: str) -> Any:
    """What a command prints for programs; it must succeed."""
    done = command(data, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def environment(**settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOOLCRIB_")}
    return kept | {f"TOOLCRIB_{name.upper()}": value for name, value in settings.items()}


def _drain(log: IO[str]) -> None:
    """Read on: a gateway whose log nobody reads stops when the pipe is full."""
    for line in log:
        sys.stderr.write(line)


def _address(process: subprocess.Popen[str], started: float) -> str:
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        if line.strip().startswith("start"):
            return line.split()[-1].rstrip("/")
        assert time.perf_counter() - started < START_DEADLINE_S, "".join(said)
    raise AssertionError(f"the gateway ended at start: {''.join(said)}")
