"""Run the chaos recipes: one line per promise, exit 1 when one does not hold.

python -m tests.chaos [r03 r17 ...]        N=full for the long form
"""

from __future__ import annotations

from benchmarks.report import RESULTS
from tests.chaos import recipes
from tests.faults.runner import run_recipes

if __name__ == "__main__":
    run_recipes(recipes, RESULTS / "chaos.json", keep_short=True)
