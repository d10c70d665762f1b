"""Run the policy recipes: one line per promise, exit 1 when one does not hold.

python -m tests.policy [budgets plan ...]        N=full for the long form, which keeps its results
"""

from __future__ import annotations

from benchmarks.report import RESULTS
from tests.faults.runner import run_recipes
from tests.policy import recipes

if __name__ == "__main__":
    run_recipes(recipes, RESULTS / "policy.json")
