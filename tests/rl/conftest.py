"""One thread for torch: what is trained here is too small for two, and two wait for each other on a busy machine."""

from __future__ import annotations

from importlib.util import find_spec

import pytest


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    if find_spec("torch") is not None:  # some of these tests need none
        import torch  # noqa: PLC0415

        torch.set_num_threads(1)
