"""One thread for torch: what is trained here is too small for two, and two wait for each other on a busy machine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch = pytest.importorskip("torch", reason="the extra [rl] is not installed")
    torch.set_num_threads(1)
