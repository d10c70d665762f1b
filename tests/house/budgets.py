"""Measures the code against the budgets that fail the build. Pure: source text in, numbers out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]

FILE_LINES = 400
MEDIAN_FILE_LINES = 150
FUNCTION_LINES = 60
COMPLEXITY = 10
PARAMETERS = 6

EXEMPT = ("migrations/versions/",)
"""Written once by a generator and never edited again."""

Function = ast.FunctionDef | ast.AsyncFunctionDef

_DECISIONS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)


@dataclass(frozen=True, slots=True, order=True)
class Measured:
    """One number and where it was found."""

    value: int
    place: str


@dataclass(frozen=True, slots=True)
class Measurements:
    """Everything measured in some files; each tuple holds one entry per file or function."""

    file_lines: tuple[Measured, ...]
    function_lines: tuple[Measured, ...]
    complexity: tuple[Measured, ...]
    parameters: tuple[Measured, ...]

    @property
    def median_file_lines(self) -> int:
        return round(median(measured.value for measured in self.file_lines))


def sources(root: Path = ROOT) -> list[Path]:
    """Every Python file of the project that a person wrote: hidden folders and exempt files are left out."""
    return [
        path
        for path in sorted(root.rglob("*.py"))
        if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(root).parts)
        and not path.relative_to(root).as_posix().startswith(EXEMPT)
    ]


def measure(paths: list[Path], root: Path = ROOT) -> Measurements:
    """Raises SyntaxError for what is not Python."""
    lines: list[Measured] = []
    functions: list[tuple[str, Function, bool]] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        lines.append(Measured(len(text.splitlines()), name))
        functions += [(f"{name}:{f.lineno} {f.name}", f, method) for f, method in functions_of(ast.parse(text))]
    return Measurements(
        tuple(lines),
        tuple(Measured(length_of(function), place) for place, function, _ in functions),
        tuple(Measured(complexity_of(function), place) for place, function, _ in functions),
        tuple(Measured(parameters_of(function, method=method), place) for place, function, method in functions),
    )


def functions_of(tree: ast.AST, *, in_class: bool = False) -> Iterator[tuple[Function, bool]]:
    """Every function at any depth, and whether it is a method."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield node, in_class
        yield from functions_of(node, in_class=isinstance(node, ast.ClassDef))


def length_of(function: Function) -> int:
    """Lines from `def` to the last one, docstring included, decorators not."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def complexity_of(function: Function) -> int:
    """McCabe's number of the function with everything nested in it: one, and one for each if, loop, except and case.

    The same decisions as ruff's C901, so that there is one definition in the house; but no `noqa` quiets this one.
    """
    return 1 + sum(isinstance(node, _DECISIONS) for node in ast.walk(function))


def parameters_of(function: Function, *, method: bool) -> int:
    """Every kind of parameter; the first of a method (self, cls) is not counted, a static method has none."""
    given = function.args
    count = len(given.posonlyargs) + len(given.args) + len(given.kwonlyargs)
    count += (given.vararg is not None) + (given.kwarg is not None)
    static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in function.decorator_list)
    return count - (method and not static)
