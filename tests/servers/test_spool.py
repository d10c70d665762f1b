"""The spool: bounded, unseen, and empty again when its files are dropped."""

from __future__ import annotations

import gc
import stat
from pathlib import Path

import pytest

from servers.large_results import spool as module
from servers.large_results.spool import Span, Spool, SpoolFull

pytestmark = pytest.mark.anyio


def make(folder: Path, *, one: int = 100, all_: int = 250) -> Spool:
    return Spool(folder / "spool", file_bytes=one, total_bytes=all_)


def test_what_was_written_is_read_and_room_comes_back_once(tmp_path: Path) -> None:
    spool = make(tmp_path)
    file = spool.begin()
    file.write(b"one ")
    file.write(b"two")
    assert (Span(file, 4, 7).read(), spool.used) == (b"two", 7)
    file.drop()
    file.drop()
    assert spool.used == 0


def test_a_file_that_nobody_holds_any_more_holds_no_room(tmp_path: Path) -> None:
    spool = make(tmp_path)
    spool.begin().write(b"forgotten")
    gc.collect()
    assert spool.used == 0


def test_nobody_finds_a_file_in_the_folder_and_nobody_else_may_look(tmp_path: Path) -> None:
    file = make(tmp_path).begin()
    file.write(b"secret")
    folder = tmp_path / "spool"
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    file.drop()


def test_one_file_and_all_together_have_a_limit(tmp_path: Path) -> None:
    spool = make(tmp_path)
    first, second = spool.begin(), spool.begin()
    first.write(b"x" * 100)
    second.write(b"x" * 90)
    with pytest.raises(SpoolFull, match="it has more than"):
        first.write(b"x")
    assert spool.used == 90  # the one that grew too large is gone
    third, fourth = spool.begin(), spool.begin()
    third.write(b"x" * 100)
    with pytest.raises(SpoolFull, match="with others"):
        fourth.write(b"x" * 61)
    for file in (second, third):
        file.drop()
    assert spool.used == 0


def test_a_disk_that_is_nearly_full_takes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(SpoolFull, match="the disk is nearly full"):
        make(tmp_path).begin()


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("no folder")
    with pytest.raises(SpoolFull, match="the disk took nothing"):
        make(tmp_path).begin()


async def test_what_was_parked_is_claimed_once_and_dropped_if_it_never_is(tmp_path: Path) -> None:
    spool = make(tmp_path)
    claimed, forgotten = spool.begin(), spool.begin()
    claimed.write(b"a")
    forgotten.write(b"b")
    token = spool.park(Span(claimed, 0, 1))
    spool.park(Span(forgotten, 0, 1))
    found = spool.claim(token)
    assert found is not None
    assert found.file is claimed
    assert spool.claim(token) is None
    spool.close()
    assert spool.used == 1
    claimed.drop()
