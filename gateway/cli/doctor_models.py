"""What `toolcrib doctor` says of the models: which embedder answers, and how those behind a URL fare."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.cli.findings import Finding


def model_findings(answer: dict[str, Any]) -> Iterator[Finding]:
    """`answer`: of the route `/models`."""
    embedder = answer["embedder"]
    yield Finding("embedder", "ok" if embedder["is_current"] else "warning", embedder["state"])
    for model in answer["models"]:
        yield _model(model)


def _model(model: dict[str, Any]) -> Finding:
    name = f"model for {model['purpose']}"
    what = f"{model['model']} at {model['address']}".removeprefix(" at ")
    if model["failure"] is not None:
        return Finding(name, "warning", f"searches go on without it: {model['failure']}")
    if model["key_unencrypted"]:
        return Finding(name, "warning", f"{what}: its key travels unencrypted: use https")
    return Finding(name, "ok", what)
