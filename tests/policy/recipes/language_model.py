"""`transformers serve` with a tiny model of random weights as the chat back-end: it is asked, what it writes is noise
and is rejected, and every search is answered by the policy behind it. It takes no form of answers, so it can write
nothing else.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from benchmarks.report import Promise
from tests.policy.gateways import gateway

SEARCHES = 20
_GIVE_UP_S = 120.0


async def run(*, full: bool) -> list[Promise]:  # noqa: ARG001 - the short form is the long one
    with TemporaryDirectory(prefix="toolcrib-model-") as folder, _serving(Path(folder)) as url:
        async with gateway(policy_chat_url=url, policy_chat_model=folder, policy_deadline_s="20") as asking:
            answers = [await asking.search() for _ in range(SEARCHES)]
            chat = await asking.backend("chat")
    print(f"  the last it said: {chat['failure']}", flush=True)  # noqa: T201
    return [
        Promise("policy_language_model_asked", chat["asked"], 3, at_most=False),
        Promise("policy_language_model_noise_rejected", 100 * chat["failed"] / chat["asked"], 100, "%", at_most=False),
        Promise(
            "policy_language_model_searches_answered",
            100 * sum(one.found > 0 and one.decided_by.startswith("embedded") for one in answers) / SEARCHES,
            100,
            "%",
            at_most=False,
        ),
    ]


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    """The model's server, once it answers; gives its address."""
    python = os.environ["TOOLCRIB_RL_PYTHON"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    subprocess.run([python, "-m", "tests.policy.tiny_chat_model", str(folder)], check=True, capture_output=True)
    command = [str(Path(python).parent / "transformers"), "serve", str(folder), "--port", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        began = time.perf_counter()
        while not _is_up(port):
            assert process.poll() is None, "transformers serve ended at its start; is its extra `serving` installed?"
            assert time.perf_counter() - began < _GIVE_UP_S
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(30)


def _is_up(port: int) -> bool:
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=1).status_code == 200
    except httpx2.TransportError:
        return False
