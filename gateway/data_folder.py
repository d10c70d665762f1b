"""The data folder and its owner: one process owns it, the others find that process's address in it.

The lock is the operating system's (released when the process dies, however it dies); the address file is only a
signpost and is believed only while the lock is held.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from domain.errors import DataFolderInUse, InvalidInput, StorageFull

_LOCK = "owner.lock"
_ADDRESS = "gateway.json"
_ATTEMPTS = 4
_BETWEEN_ATTEMPTS_S = 0.01


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that owns a data folder. `url` is None until it listens, or if it is a short command."""

    pid: int
    url: str | None


@contextmanager
def claim(folder: Path) -> Iterator[DataFolder]:
    """Own the folder until the block ends.

    Raises DataFolderInUse, naming the owner, when another process owns it, InvalidInput when it cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InvalidInput(f"The data folder {folder} cannot be used: {error.strerror}.") from error
    try:
        _lock(handle, folder)
        held = DataFolder(folder)
        held.announce(None)
        try:
            yield held
        finally:
            (folder / _ADDRESS).unlink(missing_ok=True)
    finally:
        os.close(handle)


def read_owner(folder: Path) -> Owner | None:
    """The process that owns the folder now, or None when it is free."""
    try:
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_address(folder)
    finally:
        os.close(handle)
    return None


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder owned by this process."""

    path: Path

    def announce(self, url: str | None) -> None:
        """Tell later processes where this one listens. Raises StorageFull, InvalidInput."""
        draft = self.path / f"{_ADDRESS}.new"
        try:
            draft.write_text(json.dumps({"pid": os.getpid(), "url": url}))
            draft.replace(self.path / _ADDRESS)
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            kind, advice = (StorageFull, "free some space") if full else (InvalidInput, "make it writable")
            raise kind(f"The data folder {self.path} cannot be written ({error.strerror}); {advice}.") from error


def _lock(handle: int, folder: Path) -> None:
    # A reader in read_owner holds the shared lock for microseconds: that is no owner, so look again.
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if attempt < _ATTEMPTS - 1:
                time.sleep(_BETWEEN_ATTEMPTS_S)
                continue
            owner = _read_address(folder)
            who = f"process {owner.pid}" if owner else "another process"
            raise DataFolderInUse(
                f"The data folder {folder} is in use by {who}; stop it, or name another folder with --data."
            ) from error
        else:
            return


def _read_address(folder: Path) -> Owner | None:
    try:
        record = json.loads((folder / _ADDRESS).read_text())
        return Owner(int(record["pid"]), record["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
