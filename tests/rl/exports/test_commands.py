"""The commands that make files of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import InvalidInput
from index.adapter.adapter import Adapter
from index.embedders.minilm import MiniLMEmbedder
from rl.cli import app
from rl.exports.command import FORMS, write_dataset
from tests.rl.logs import a_choice, a_judgement, written


@pytest.fixture
def log(tmp_path: Path) -> Path:
    steps = [s for n, tool in enumerate("abcabc") for s in (a_choice(n, tool), a_judgement(n, float(tool == "b")))]
    return written(tmp_path / "log.jsonl", steps)


@pytest.mark.parametrize("form", sorted(FORMS.keys() - {"dpo"}))
def test_every_form_is_written_as_json_lines(log: Path, tmp_path: Path, form: str) -> None:
    done = CliRunner().invoke(app, ["dataset", "--log", str(log), "--form", form, "--out", str(tmp_path / "rows")])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert rows
    assert all(isinstance(row, dict) for row in rows)


@pytest.mark.parametrize(("form", "reason"), [("dpo", "gives no row of the form dpo"), ("xml", "No form is called")])
def test_a_form_that_the_log_cannot_give_is_refused_without_a_file(
    log: Path, tmp_path: Path, form: str, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        write_dataset(log, form, None, tmp_path / "rows")
    assert not (tmp_path / "rows").exists()


def test_an_adapter_is_trained_and_says_from_what(log: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["adapt", "--log", str(log), "--out", str(tmp_path / "adapter")])
    assert done.exit_code == 0, done.output
    made = Adapter.load(tmp_path / "adapter", embedder=MiniLMEmbedder().version)
    assert made.tool_ids == ("a", "b", "c")
    assert made.facts["decisions"] == 6
