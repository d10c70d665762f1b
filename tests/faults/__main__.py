"""Run the fault recipes: one line per promise, exit 1 when one does not hold.

python -m tests.faults [r09 r10 ...]        N=full for the long form
"""

from __future__ import annotations

import asyncio
import importlib
import os
import pkgutil
import sys
import time

from benchmarks.report import Promise
from tests.faults import recipes


def main() -> None:
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
        promises += found
    print(f"{sum(took.values()):.0f} s: {took}")  # noqa: T201
    sys.exit(0 if all(promise.holds for promise in promises) else 1)


if __name__ == "__main__":
    main()
