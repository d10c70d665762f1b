"""`transformers serve` with a tiny model of random weights as the chat back-end: it is asked, what it writes is noise
and is rejected, and every search is answered by the policy behind it. It takes no form of answers, so it can write
nothing else.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import Promise
from tests.policy.gateways import gateway
from tests.policy.policy_server import answering, free_port, rl_python

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
    """The model's server (transformers' extra `serving`), once it answers; gives its address."""
    python, port = rl_python(), free_port()
    subprocess.run([python, "-m", "tests.policy.tiny_chat_model", str(folder)], check=True, capture_output=True)
    command = [str(Path(python).parent / "transformers"), "serve", str(folder), "--port", str(port)]
    with answering(command, port, _GIVE_UP_S):
        yield f"http://127.0.0.1:{port}/v1"
