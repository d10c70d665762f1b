"""`make check`: format, lint, types, imports and budgets, side by side; one line each: NAME value target PASS|FAIL.

What a failing tool has to say is printed above the lines. Exit status 1 on any FAIL.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.house.broad_excepts import ALLOWED, broad_excepts
from tests.house.budgets import (
    COMPLEXITY,
    FILE_LINES,
    FUNCTION_LINES,
    MEDIAN_FILE_LINES,
    PARAMETERS,
    ROOT,
    Measured,
    measure,
    sources,
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of ours that exits with 0 when nothing is wrong; `finding` matches one line per thing that is."""

    name: str
    argv: tuple[str, ...]
    finding: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise: what was found, what was promised, and the details of a failure."""

    name: str
    value: int
    target: int
    passed: bool
    details: str = ""

    def __str__(self) -> str:
        return f"{self.name:<20} {self.value:>5} {self.target:>5} {'PASS' if self.passed else 'FAIL'}"


BIN = Path(sys.executable).parent

TOOLS = (
    Tool("types", ("mypy",), r"^.+: error: "),
    Tool("lint", ("ruff", "check", "--output-format=concise", "."), r"^\S+:\d+:\d+: "),
    Tool("format", ("ruff", "format", "--check", "--output-format=concise", "."), r": unformatted: "),
    Tool("imports", ("lint-imports", "--no-logo"), r" BROKEN\b"),
)


def run(tool: Tool) -> Verdict:
    argv = [str(BIN / tool.argv[0]), *tool.argv[1:]]
    done = subprocess.run(argv, cwd=ROOT, check=False, capture_output=True, text=True)
    output = done.stdout + done.stderr
    findings = len(re.findall(tool.finding, output, re.MULTILINE))
    return Verdict(tool.name, findings, 0, done.returncode == 0, output)


def budgets(paths: list[Path]) -> Iterator[Verdict]:
    measured = measure(paths)
    yield _most("file_lines", measured.file_lines, FILE_LINES)
    median = measured.median_file_lines
    yield Verdict("median_file_lines", median, MEDIAN_FILE_LINES, median <= MEDIAN_FILE_LINES)
    yield _most("function_lines", measured.function_lines, FUNCTION_LINES)
    yield _most("complexity", measured.complexity, COMPLEXITY)
    yield _most("parameters", measured.parameters, PARAMETERS)
    strangers = {place: lines for place, lines in broad_excepts(paths).items() if place not in ALLOWED}
    details = "\n".join(f"{place}: lines {lines} catch everything" for place, lines in strangers.items())
    yield Verdict("broad_excepts", len(strangers), 0, not strangers, details)


def main() -> int:
    begun = time.monotonic()
    with ThreadPoolExecutor(len(TOOLS)) as pool:
        running = [pool.submit(run, tool) for tool in TOOLS]
        verdicts = list(budgets(sources()))
        verdicts = [job.result() for job in running] + verdicts
    failed = [verdict for verdict in verdicts if not verdict.passed]
    for verdict in failed:
        print(f"---- {verdict.name}\n{verdict.details.rstrip()}\n")
    print(*verdicts, sep="\n")
    print(f"{len(verdicts) - len(failed)} of {len(verdicts)} passed in {time.monotonic() - begun:.1f} s")
    return 1 if failed else 0


def _most(name: str, found: Sequence[Measured], limit: int) -> Verdict:
    over = sorted((each for each in found if each.value > limit), reverse=True)
    details = "\n".join(f"{each.place}: {each.value} > {limit}" for each in over)
    return Verdict(name, max(found).value, limit, not over, details)


if __name__ == "__main__":
    sys.exit(main())
