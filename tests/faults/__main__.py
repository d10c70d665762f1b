"""Run the fault recipes: one line per promise, exit 1 when one does not hold.

python -m tests.faults [r09 r10 ...]        N=full for the long form, which keeps its results
"""

from __future__ import annotations

from benchmarks.report import RESULTS
from tests.faults import recipes
from tests.faults.runner import run_recipes

if __name__ == "__main__":
    run_recipes(recipes, RESULTS / "faults.json")
