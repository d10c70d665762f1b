"""What the command line does to numpy before it is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_MULTIPLY = """
import os
import gateway.cli.main
import numpy as np
square = np.ones((512, 512), np.float32)
before = len(os.listdir("/proc/self/task"))
square @ square
print(len(os.listdir("/proc/self/task")) - before, before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted in /proc")
def test_linear_algebra_starts_no_threads_that_would_spin_beside_the_embedding_model() -> None:
    ran = subprocess.run([sys.executable, "-c", _MULTIPLY], capture_output=True, text=True, check=True)

    started, before = map(int, ran.stdout.split())
    assert (started, before) == (0, 1)
