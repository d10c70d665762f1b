"""Every command that learns or estimates from a log refuses a bad one in a sentence, before it starts.

Empty and mixed exports, missing propensities, rewards that are no numbers, one action alone; what is wrong with
checkpoints and manifests is in tests/rl/policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import InvalidInput
from domain.events import Versions
from domain.trajectories import Step, header
from rl.cli import app
from tests.rl.logs import a_choice, a_judgement, written

Write = Callable[[Path], Path]

COMMANDS = {
    "evaluate": ["evaluate", "--policy", "greedy", "--log"],
    "adapt": ["adapt", "--out", "OUT", "--log"],
    "train the scorer": ["train", "--out", "OUT", "--log"],
    "train the scorer by pairs": ["train", "--set", "method=dpo", "--out", "OUT", "--log"],
    "train the text policy by pairs": ["train", "--policy", "text", "--out", "OUT", "--log"],
    "train the text policy": ["train", "--policy", "text", "--set", "method=gradient", "--out", "OUT", "--log"],
}


def judged(number: int, tool: str = "a", success: float = 1.0, **more: object) -> list[Step]:
    return [a_choice(number, tool, **more), a_judgement(number, success)]


def other_index(path: Path) -> Path:
    newer = Versions("1", "i2", "p1", "")
    return written(path, [*judged(1), *judged(2, "b", 0.0, versions=newer)])


def not_a_number(path: Path) -> Path:
    written(path, [*judged(1), *judged(2, "b", 0.0)])
    path.write_text(path.read_text().replace('"success": 0.0', '"success": NaN'))
    return path


def cut_off(path: Path) -> Path:
    written(path, [*judged(1), *judged(2, "b", 0.0)])
    path.write_text(path.read_text()[:-20])
    return path


def nothing(path: Path) -> Path:
    path.write_text("")
    return path


def of_tomorrow(path: Path) -> Path:
    path.write_text(json.dumps({**header("test"), "version": 99}) + "\n")
    return path


def without_propensities(path: Path) -> Path:
    return written(path, [replace(step, propensity=None) for step in (*judged(1), *judged(2, "b", 0.0))])


EVERYWHERE: dict[str, tuple[Write, str]] = {
    "an empty file": (nothing, "is empty"),
    "a header alone": (lambda path: written(path, []), "nothing was logged yet"),
    "another version of the form": (of_tomorrow, "of version 99"),
    "a file that was cut off": (cut_off, "line 5: it is not JSON"),
    "two versions of the index": (other_index, "mixes 2 versions of the index"),
    "a reward that is no number": (not_a_number, "no number between 0 and 1"),
    "one action": (lambda path: written(path, [*judged(1), *judged(2)]), "from one action nothing can be told"),
}
NEEDS_NO_PROPENSITY = {"train the text policy by pairs"}


def refused(command: str, file: Path, tmp_path: Path, said: str) -> None:
    arguments = [str(tmp_path / "out") if part == "OUT" else part for part in COMMANDS[command]]
    with pytest.raises(InvalidInput, match=said):
        CliRunner().invoke(app, [*arguments, str(file)], catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("bad", EVERYWHERE)
def test_a_bad_log_is_refused(command: str, bad: str, tmp_path: Path) -> None:
    write, said = EVERYWHERE[bad]
    refused(command, write(tmp_path / "log.jsonl"), tmp_path, said)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in NEEDS_NO_PROPENSITY])
def test_choices_of_unknown_probability_are_refused(command: str, tmp_path: Path) -> None:
    refused(command, without_propensities(tmp_path / "log.jsonl"), tmp_path, "propensity")
