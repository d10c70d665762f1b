"""The data folder: one owner at a time, found by its address, free again when it dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domain.errors import DataFolderInUse, InvalidInput
from gateway.data_folder import claim, read_owner

HOLD = """
import sys
from pathlib import Path
from gateway.data_folder import claim
with claim(Path(sys.argv[1])) as held:
    held.announce("http://127.0.0.1:1")
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.communicate()


def test_a_free_folder_has_no_owner(tmp_path: Path) -> None:
    assert read_owner(tmp_path) is None


def test_a_second_process_is_told_who_owns_the_folder(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        owner = read_owner(tmp_path)
        assert owner is not None
        assert (owner.pid, owner.url) == (process.pid, "http://127.0.0.1:1")
        with pytest.raises(DataFolderInUse, match=f"in use by process {process.pid}"), claim(tmp_path):
            pass
    finally:
        end(process, signal.SIGTERM)


def test_a_killed_owner_leaves_the_folder_free(tmp_path: Path) -> None:
    end(hold(tmp_path), signal.SIGKILL)
    assert read_owner(tmp_path) is None
    with claim(tmp_path):
        owner = read_owner(tmp_path)
    assert owner is not None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be used"), claim(tmp_path / "file" / "data"):
        pass
