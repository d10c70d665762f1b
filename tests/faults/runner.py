"""Runs recipes: one line per promise, exit 1 when one does not hold. The long form, N=full, keeps its results."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import os
import pkgutil
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.report import Promise, evidence


def run_recipes(recipes: ModuleType, kept: Path, *, keep_short: bool = False) -> None:
    """Each module of the package `recipes`, or those whose names begin as the arguments do.

    `keep_short`: the short form's results are kept too, under a name of their own.
    """
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # a traceback for whatever its peers do wrong
    command = f"python -m {recipes.__name__.rpartition('.')[0]}"
    asked = sys.argv[1:]
    full = os.environ.get("N") == "full"
    names = sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))
    promises: list[Promise] = []
    took: dict[str, float] = {}
    for name in [name for name in names if not asked or name.startswith(tuple(asked))]:
        recipe = importlib.import_module(f"{recipes.__name__}.{name}")
        began = time.perf_counter()
        found: list[Promise] = asyncio.run(recipe.run(full=full))
        took[name] = round(time.perf_counter() - began, 1)
        for promise in found:
            print(promise, flush=True)  # noqa: T201 - the lines are the product
        if full or keep_short:
            _keep(
                kept, name if full else f"{name}, short", evidence(f"{command} {name}", found, {"took_s": took[name]})
            )
        promises += found
    print(f"{sum(took.values()):.0f} s: {took}")  # noqa: T201
    sys.exit(0 if all(promise.holds for promise in promises) else 1)


def _keep(file: Path, recipe: str, found: dict[str, Any]) -> None:
    """Beside what the other recipes found, each at its own time."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**kept, recipe: found}, indent=2, sort_keys=True) + "\n")
