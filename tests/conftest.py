"""Fixtures every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says more about who else runs here than about what it tests.
settings.register_profile("house", settings(deadline=None))
settings.load_profile("house")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def absent(what: str) -> None:
    """Skip with a reason; with CI=true a missing part is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is absent, and CI must have it")
    pytest.skip(f"{what} is absent")


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder of evaluation data, named by TOOLCRIB_DATASETS."""
    folder = Path(os.environ.get("TOOLCRIB_DATASETS", ROOT.parent / "shared" / "datasets"))
    if not folder.is_dir():
        absent(f"The data set folder {folder} (TOOLCRIB_DATASETS)")
    return folder
