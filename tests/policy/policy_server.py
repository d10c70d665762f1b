"""Servers of policies as processes of the environment that has torch, `TOOLCRIB_RL_PYTHON` (`make policy` sets it)."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
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
    with answering(command, port) as process:
        yield process


@contextmanager
def answering(command: Sequence[str], port: int, give_up_s: float = GIVE_UP_S) -> Iterator[subprocess.Popen[bytes]]:
    """A server in a process of its own, once `GET /health` is answered at `port`; ended on exit."""
    process = subprocess.Popen(
        command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        began = time.perf_counter()
        while not _is_up(port):
            assert process.poll() is None, f"it ended at its start: {' '.join(command)}"
            assert time.perf_counter() - began < give_up_s
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _is_up(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=1).status_code == 200
    except httpx2.TransportError:
        return False
