"""Run the fault recipes: one line per promise, exit 1 when one does not hold.

python -m tests.faults [r09 r10 ...]        N=full for the long form, which keeps its results
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import pkgutil
import sys
import time
from typing import Any

from benchmarks.report import RESULTS, Promise, evidence
from tests.faults import recipes

KEPT = RESULTS / "faults.json"


def main() -> None:
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # a traceback for whatever its peers do wrong
    asked = sys.argv[1:]
    full = os.environ.get("N") == "full"
    names = sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))
    chosen = [name for name in names if not asked or name.startswith(tuple(asked))]
    promises: list[Promise] = []
    took: dict[str, float] = {}
    for name in chosen:
        recipe = importlib.import_module(f"{recipes.__name__}.{name}")
        began = time.perf_counter()
        found: list[Promise] = asyncio.run(recipe.run(full=full))
        took[name] = round(time.perf_counter() - began, 1)
        for promise in found:
            print(promise, flush=True)  # noqa: T201 - the lines are the product
        if full:
            keep(name, evidence(f"python -m tests.faults {name}", found, {"took_s": took[name]}))
        promises += found
    print(f"{sum(took.values()):.0f} s: {took}")  # noqa: T201
    sys.exit(0 if all(promise.holds for promise in promises) else 1)


def keep(recipe: str, found: dict[str, Any]) -> None:
    """Beside what the other recipes found, each at its own time."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    KEPT.write_text(json.dumps({**kept, recipe: found}, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
