"""The core install is small: importing the command line brings no training library along."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.house.budgets import ROOT

HEAVY = ("torch", "transformers", "trl", "sentence_transformers", "scipy", "sklearn", "pandas")


def test_the_command_line_imports_no_torch() -> None:
    program = "import json, sys, gateway.cli.main; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert "gateway.cli.main" in loaded
    assert loaded.isdisjoint(HEAVY)
