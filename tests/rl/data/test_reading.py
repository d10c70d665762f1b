"""What is no export is refused with a sentence that names the file, the line and what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.events import Versions
from domain.trajectories import Step, step_json
from rl.data.checks import require_decisions, require_one_version, require_propensities, require_rewards
from rl.data.decisions import decisions
from rl.data.reading import parse_step, read_export
from tests.rl.logs import a_choice, a_judgement, written


def test_steps_come_back_as_they_were_written(tmp_path: Path) -> None:
    steps = [a_choice(1, "b"), a_judgement(1, 0.5), a_choice(2, "a", propensity=None, budget={"tools": None})]
    assert list(read_export(written(tmp_path / "log.jsonl", steps)).steps) == steps


def test_equal_files_have_equal_digests(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name, [a_choice(1, "a")]) for name in ("one", "two"))
    other = written(tmp_path / "three", [a_choice(1, "b")])
    assert read_export(first).digest == read_export(second).digest != read_export(other).digest


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.parent, "cannot be read"),
    "empty": (lambda path: path.write_text("\n"), "is empty"),
    "no header": (lambda path: path.write_text(json.dumps(step_json(a_choice(1, "a")))), "header of an export"),
    "no steps": (lambda path: written(path, []), "nothing was logged"),
    "newer": (lambda path: written(path, [a_choice(1, "a")], version=9), "version 9"),
    "two exports in one": (
        lambda path: path.write_text(written(path, [a_choice(1, "a")]).read_text() * 2),
        "line 3: a second header",
    ),
    "cut off": (lambda path: path.write_text(written(path, [a_choice(1, "a")]).read_text()[:-9]), "cut off"),
    "no object": (lambda path: path.write_text(written(path, []).read_text() + "[]\n"), "line 2: it is not a JSON obj"),
    "impossible": (lambda path: written(path, [a_choice(1, "a", propensity=0.0)]), "line 2: its propensity is 0"),
    "more than certain": (lambda path: written(path, [a_choice(1, "a", propensity=1.5)]), "its propensity is 1.5"),
    "no number": (lambda path: written(path, [a_choice(1, "a", latency_ms=float("nan"))]), "`latency_ms` is nan"),
    "no kind": (lambda path: path.write_text(written(path, []).read_text() + '{"id": "x"}\n'), "no step of version 1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_export_is_refused_with_its_reason(tmp_path: Path, case: str) -> None:
    make, reason = BROKEN[case]
    path = tmp_path / "log.jsonl"
    make(path)
    with pytest.raises(InvalidInput, match=reason) as caught:
        read_export(path)
    assert str(path) in caught.value.message


def test_steps_of_two_index_versions_are_only_taken_together_when_that_is_meant() -> None:
    steps = [a_choice(1, "a"), a_choice(2, "a", versions=Versions("1", "i2", "p1", ""))]
    with pytest.raises(InvalidInput, match=r"mixes 2 versions of the index \(i1, i2\)"):
        require_one_version(steps)
    require_one_version(steps, mixed=True)
    require_one_version([steps[0], replace(steps[0], id="x", versions=Versions("2", "i1", "p2", ""))])


def checked(steps: list[Step]) -> None:
    found = decisions(steps)
    require_decisions(found)
    require_propensities(found)
    require_rewards([decision.reward for decision in found])


GOOD = [step for n, tool in enumerate("abc") for step in (a_choice(n, tool), a_judgement(n, 1.0))]


def test_a_log_with_propensities_rewards_and_several_actions_passes() -> None:
    checked(GOOD)


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ([], "nothing to learn"),
        ([a_choice(1, "a"), a_judgement(1, 1.0), a_choice(2, "a"), a_judgement(2, 0.0)], "Every decision of the log"),
        ([*GOOD, a_choice(9, "b", propensity=None), a_judgement(9, 1.0)], "1 of 4 decisions have no propensity"),
        ([*GOOD, a_choice(9, "b")], "1 of 4 decisions have no reward"),
        ([*GOOD, a_choice(9, "b"), a_judgement(9, float("nan"))], "no number between 0 and 1"),
    ],
)
def test_data_that_nothing_can_be_learnt_from_is_refused_before_anything_is_trained(
    steps: list[Step], reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        checked(steps)


def test_a_step_without_an_id_is_none() -> None:
    with pytest.raises(InvalidInput, match="`id` is missing"):
        parse_step({"kind": "call", "propensity": None})
