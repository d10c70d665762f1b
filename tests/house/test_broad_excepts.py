"""`except Exception` belongs to the outermost loop of a task, in the files of one list, each with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.broad_excepts import ALLOWED, broad_excepts
from tests.house.budgets import ROOT, sources


def test_broad_excepts_stand_only_in_the_files_of_the_list() -> None:
    strangers = {place: lines for place, lines in broad_excepts(sources()).items() if place not in ALLOWED}
    assert strangers == {}


def test_the_list_names_no_file_that_has_none() -> None:
    assert set(ALLOWED) <= set(broad_excepts([ROOT / place for place in ALLOWED]))


@pytest.mark.parametrize(
    "handler",
    [
        "except:",
        "except Exception:",
        "except BaseException as error:",
        "except (ValueError, Exception):",
        "except* Exception:",
        "except builtins.Exception:",
    ],
)
def test_every_spelling_is_found(tmp_path: Path, handler: str) -> None:
    source = tmp_path / "loop.py"
    source.write_text(f"try:\n    run()\n{handler}\n    pass\n")
    assert broad_excepts([source], tmp_path) == {"loop.py": [3]}


@pytest.mark.parametrize("call", ["suppress(Exception)", "contextlib.suppress(OSError, BaseException)"])
def test_suppressing_everything_is_found(tmp_path: Path, call: str) -> None:
    source = tmp_path / "quiet.py"
    source.write_text(f"with {call}:\n    run()\n")
    assert broad_excepts([source], tmp_path) == {"quiet.py": [1]}


def test_catching_what_can_be_named_is_free(tmp_path: Path) -> None:
    source = tmp_path / "named.py"
    source.write_text("try:\n    run()\nexcept (OSError, ValueError):\n    pass\nwith suppress(KeyError):\n    run()\n")
    assert broad_excepts([source], tmp_path) == {}
