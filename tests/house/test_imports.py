"""The import contract of pyproject.toml holds, covers every room, and catches what it is there to catch."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.budgets import ROOT

LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
FREE = {"tests", "examples", "benchmarks"}


def settings() -> dict[str, dict[str, object]]:
    tool: dict[str, dict[str, object]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return tool


def rooms() -> list[str]:
    """The packages the contract is about."""
    named = settings()["importlinter"]["root_packages"]
    assert isinstance(named, list)
    return named


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(LINT_IMPORTS), "--no-logo", "--no-cache"]
    return subprocess.run(argv, cwd=folder, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rooms as they are, where a test may break them."""
    folder = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for room in rooms():
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "data"))
    return folder


def test_the_contract_holds() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_room_is_outside_the_contract() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - FREE
    assert packages == set(rooms())


@pytest.mark.parametrize(
    ("place", "line", "broken"),
    [
        ("domain/stray.py", "import store", "Rooms"),
        ("domain/stray.py", "import pydantic", "domain"),
        ("servers/stray.py", "import index", "Rooms"),
        ("index/stray.py", "import store", "Rooms"),
        ("policy_client/stray.py", "import servers", "Rooms"),
        ("sync/stray.py", "import gateway", "Rooms"),
        ("gateway/stray.py", "import rl", "Rooms"),
        ("rl/stray.py", "import gateway", "Rooms"),
        ("rl/stray.py", "import store", "rl reads"),
        ("rl/stray.py", "def late() -> None:\n    import sync", "rl reads"),
        ("gateway/stray.py", "import torch", "torch"),
        ("index/stray.py", "import sentence_transformers", "torch"),
        ("sync/stray.py", "from sqlalchemy.orm import Session", "SQLAlchemy"),
        ("gateway/stray.py", "import alembic.config", "SQLAlchemy"),
        ("index/stray.py", "from mcp.client import Client", "The MCP SDK"),
        ("rl/stray.py", "import mcp", "The MCP SDK"),
        ("servers/stray.py", "import fastapi", "FastAPI"),
        ("sync/stray.py", "import qdrant_client", "Vector"),
    ],
)
def test_a_forbidden_import_breaks_its_contract(copy: Path, place: str, line: str, broken: str) -> None:
    stray = copy / place
    stray.write_text(line + "\n")
    try:
        done = lint(copy)
    finally:
        stray.unlink()
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(row.startswith(broken) and " BROKEN" in row for row in done.stdout.splitlines()), done.stdout


def test_a_cycle_inside_a_room_breaks_the_contract(copy: Path) -> None:
    pair = {copy / "sync" / "left.py": "import sync.right\n", copy / "sync" / "right.py": "import sync.left\n"}
    for path, line in pair.items():
        path.write_text(line)
    try:
        done = lint(copy)
    finally:
        for path in pair:
            path.unlink()
    assert done.returncode == 1
    assert "No cycles are allowed in sync." in done.stdout
