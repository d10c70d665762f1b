"""From the log of a replay to a text policy that is served: the product's own commands, one after the other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from domain.names import tool_id_for
from index.evaluation.dataset import LabelledTool
from tests.policy.policy_server import free_port, policy_server, rl_python

UNNAMED = "tools"
"""The server of a set that has no names for any."""

LEARNING: Mapping[str, str] = {"method": "imitation", "epochs": "2", "minibatch": "8", "rate": "1e-4"}
PATIENT_S = 60.0
"""What is measured is what is decided, not how soon."""


def id_of(tool: LabelledTool) -> str:
    return tool_id_for(tool.server or UNNAMED, tool.document.name)


def kept_metrics(place: Path) -> dict[str, Any]:
    """Of the text policy that an earlier run left there; empty where there is none."""
    manifest = place / "policy" / "manifest.json"
    return dict(json.loads(manifest.read_text(encoding="utf-8"))["metrics"]) if manifest.exists() else {}


def train_text(data: Path, tools: Sequence[LabelledTool], place: Path) -> dict[str, Any]:
    """The text policy in `place / "policy"`, trained on the log of the gateway whose data folder is `data`.

    `toolcrib rl export`, then `toolcrib rl train --policy text`, in processes. Returns the manifest's metrics.
    """
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    rows = [{"tool_id": id_of(tool), "server": tool.server or UNNAMED, "name": tool.document.name,
             "description": tool.document.raw.get("description") or ""} for tool in tools]  # fmt: skip
    (place / "tools.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    log, out = place / "log.jsonl", place / "policy"
    _toolcrib(sys.executable, "rl", "export", "--out", str(log), TOOLCRIB_DATA=str(data))
    settings = [
        word for name, value in {**LEARNING, "catalogue": str(place)}.items() for word in ("--set", f"{name}={value}")
    ]
    _toolcrib(rl_python(), "rl", "train", "--policy", "text", "--log", str(log), "--out", str(out), *settings)
    return kept_metrics(place)


@contextmanager
def serving_text(place: Path) -> Iterator[dict[str, Any]]:
    """The settings of a gateway that asks the policy server, which runs meanwhile."""
    port = free_port()
    with policy_server(place / "policy", port):
        yield {"policy": "none", "policy_url": f"http://127.0.0.1:{port}", "policy_deadline_s": PATIENT_S}


def _toolcrib(python: str, *arguments: str, **environment: str) -> None:
    subprocess.run([python, "-m", "gateway.cli", *arguments], check=True, env={**os.environ, **environment})
