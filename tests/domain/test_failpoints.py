"""Every named place is somewhere, once, and without the setting a process passes them all."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from domain.failpoints import NAMES
from tests.conftest import ROOT

PASSES = "from domain.failpoints import failpoint\nfailpoint('sync.listed')\nfailpoint('sync.committed')\n"


def passing(environment: dict[str, str]) -> int:
    done = subprocess.run([sys.executable, "-c", PASSES], check=False, cwd=ROOT, env=environment)
    return done.returncode


def test_every_failpoint_stands_at_exactly_one_place() -> None:
    rooms = ("sync", "store", "index")
    code = "".join(file.read_text() for room in rooms for file in (ROOT / room).rglob("*.py"))

    assert Counter(re.findall(r'failpoint\("([\w.]+)"\)', code)) == Counter(NAMES)


def test_a_process_dies_at_the_armed_place_and_the_next_one_lives(tmp_path: Path) -> None:
    arm = tmp_path / "arm"
    arm.write_text("sync.committed\n")

    assert passing({"TOOLCRIB_FAILPOINT": str(arm)}) == -signal.SIGKILL
    assert passing({"TOOLCRIB_FAILPOINT": str(arm)}) == 0


def test_nothing_dies_where_nothing_is_armed() -> None:
    assert passing({}) == 0
