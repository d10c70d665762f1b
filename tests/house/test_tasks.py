"""The task list explains itself, and the CI script runs tasks that exist."""

from __future__ import annotations

import re
import subprocess

from tests.house.budgets import ROOT


def tasks() -> set[str]:
    [listed] = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return set(listed.split())


def test_make_help_explains_every_task() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, check=True, capture_output=True, text=True)
    explained = dict(re.findall(r"^  ([a-z-]+) +(\S.*)$", done.stdout, re.MULTILINE))
    assert set(explained) == tasks()


def test_the_ci_script_runs_the_checks_the_tests_and_the_short_forms() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    [named] = re.findall(r"^for target in ([^;]+); do", script, re.MULTILINE)
    assert {"check", "test", "test-rl", "conformance", "clients", "faults"} <= set(named.split()) <= tasks()
