"""`toolcrib rl serve` as a process of the environment that has torch, `TOOLCRIB_RL_PYTHON` (`make policy` sets it)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

GIVE_UP_S = 60.0


def rl_python() -> str:
    """Raises KeyError where no such environment is named."""
    return os.environ["TOOLCRIB_RL_PYTHON"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def policy_server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """One that serves the policy in `folder`, once it answers."""
    command = [rl_python(), "-m", "gateway.cli", "rl", "serve", "--policy", str(folder), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        began = time.perf_counter()
        while not _is_up(port):
            assert process.poll() is None, "the policy server ended at its start"
            assert time.perf_counter() - began < GIVE_UP_S
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _is_up(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=1).status_code == 200
    except httpx2.TransportError:
        return False
