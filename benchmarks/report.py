"""How a measurement is printed and kept: with its command and the commit it was taken at."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Promise:
    """One number against its target. `at_most` says on which side of the target it has to lie."""

    name: str
    value: float
    target: float
    unit: str = ""
    at_most: bool = True

    @property
    def holds(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        verdict = "PASS" if self.holds else "FAIL"
        return f"{self.name} {self.value:.3g}{self.unit} {sign}{self.target:g}{self.unit} {verdict}"


def finish(name: str, promises: Sequence[Promise], details: dict[str, Any], *, keep: bool = True) -> None:
    """Print every promise, keep the result unless told otherwise, and exit 1 when one does not hold."""
    for promise in promises:
        print(promise)
    if keep:
        kept = evidence(_command(f"benchmarks.{name}"), promises, details)
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(kept, indent=2) + "\n")
    sys.exit(0 if all(promise.holds for promise in promises) else 1)


def _command(unless_run: str) -> str:
    """What was typed: the module that runs, and its arguments."""
    spec = sys.modules["__main__"].__spec__
    module = unless_run if spec is None else spec.name.removesuffix(".__main__")
    return " ".join(["python -m", module, *sys.argv[1:]])


_CHANGES = ("status", "--porcelain", "-uno", "--", ":/", ":(top,exclude)benchmarks/results")
"""Results that were just measured change nothing of what is measured next."""


def evidence(command: str, promises: Sequence[Promise], details: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a measurement."""
    return {
        "command": _size() + command,
        "commit": _git("rev-parse", "HEAD") + ("+changes" if _git(*_CHANGES) else ""),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "promises": {p.name: {"value": p.value, "target": p.target, "holds": p.holds} for p in promises},
        **details,
    }


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p95 and p99 by nearest rank."""
    ordered = sorted(values)
    ranks = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
    return {name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3) for name, share in ranks.items()}


def _size() -> str:
    """The long form is asked for by the environment, so it is part of the command."""
    return "N=full " if os.environ.get("N") == "full" else ""


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=RESULTS.parent)
    return done.stdout.strip()
