"""The budgets of the house: no file, function or parameter list outgrows a reader."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.house.budgets import (
    COMPLEXITY,
    FILE_LINES,
    FUNCTION_LINES,
    MEDIAN_FILE_LINES,
    PARAMETERS,
    Measured,
    Measurements,
    complexity_of,
    functions_of,
    measure,
    parameters_of,
    sources,
)


@pytest.fixture(scope="module")
def measured() -> Measurements:
    return measure(sources())


def require(found: Sequence[Measured], limit: int) -> None:
    assert found
    over = [f"{each.place}: {each.value} > {limit}" for each in sorted(found, reverse=True) if each.value > limit]
    assert not over, "\n".join(over)


def test_no_file_is_longer_than_four_hundred_lines(measured: Measurements) -> None:
    require(measured.file_lines, FILE_LINES)


def test_the_median_file_stays_a_short_read(measured: Measurements) -> None:
    assert measured.median_file_lines <= MEDIAN_FILE_LINES


def test_no_function_is_longer_than_sixty_lines(measured: Measurements) -> None:
    require(measured.function_lines, FUNCTION_LINES)


def test_no_function_takes_more_than_ten_decisions(measured: Measurements) -> None:
    require(measured.complexity, COMPLEXITY)


def test_no_function_has_more_than_six_parameters(measured: Measurements) -> None:
    require(measured.parameters, PARAMETERS)


def the_function(source: str) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, bool]:
    return next(functions_of(ast.parse(source)))


@pytest.mark.parametrize(
    ("body", "decisions"),
    [
        ("pass", 0),
        ("if a:\n  pass\n elif b:\n  pass\n else:\n  pass", 2),
        ("for x in y:\n  while z:\n   pass", 2),
        ("try:\n  pass\n except A:\n  pass\n except B:\n  pass", 2),
        ("match x:\n  case 1:\n   pass\n  case _:\n   pass", 2),
        ("async def g():\n  async for x in y:\n   pass", 1),
    ],
)
def test_complexity_is_one_and_a_decision_each(body: str, decisions: int) -> None:
    function, _ = the_function(f"def f():\n {body}\n")
    assert complexity_of(function) == 1 + decisions


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("def f(a, /, b, *c, d, **e): pass", 5),
        ("class C:\n def f(self, a, *, b): pass", 2),
        ("class C:\n @classmethod\n async def f(cls, a): pass", 1),
        ("class C:\n @staticmethod\n def f(a, b): pass", 2),
    ],
)
def test_parameters_are_counted_without_self(source: str, count: int) -> None:
    function, method = the_function(source)
    assert parameters_of(function, method=method) == count


def test_hidden_folders_packages_and_generated_files_are_not_ours(tmp_path: Path) -> None:
    for name in (".venv/a.py", "node_modules/b.py", "migrations/versions/c.py", "index/d.py", "index/deep/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sources(tmp_path) == [tmp_path / "index/d.py", tmp_path / "index/deep/e.py"]
