"""The folder of an embedded index: the shard, the manifest it was built with, and the state of its last flush.

DIR/manifest.json   EngineManifest and layout: an unequal one means another model or text version, so: rebuild
DIR/state.json      cursor, number of points and whether anything was written since, replaced atomically
DIR/shard/          the engine's own files
DIR/shard.broken/   the last shard that could not be used, kept for whoever wants to know why
DIR/suspect         present after the engine failed on this shard: do not trust it again
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from domain.errors import IndexUnavailable, StorageFull
from domain.failpoints import failpoint
from index.ports import EngineManifest


@dataclass(frozen=True, slots=True)
class IndexState:
    """What was durable at the last flush. `clean`: nothing was written after it, so `points` must still hold."""

    cursor: int = 0
    points: int = 0
    clean: bool = True


class IndexFolder:
    """Blocking file operations. Raises IndexUnavailable when the folder cannot be written, StorageFull when full."""

    def __init__(self, path: Path, layout: str) -> None:
        """`layout`: how the engine writes vectors; another one than that of the stored shard means: rebuild."""
        self.path = path
        self._layout = layout
        self.shard = path / "shard"
        self._manifest = path / "manifest.json"
        self._state = path / "state.json"
        self._suspect = path / "suspect"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error

    def reason_to_rebuild(self, manifest: EngineManifest) -> str | None:
        """Why the stored shard must not be used; None when it may be tried."""
        if self._suspect.exists():
            return "the engine failed on it before"
        if not self.shard.is_dir() or _read(self._state) is None:
            return "it is missing or incomplete"
        if _read(self._manifest) != self._built(manifest):
            return "it was built with another model or text version, or in another layout"
        return None

    def is_new(self) -> bool:
        """Nothing was ever stored here."""
        return not self.shard.exists() and not self._manifest.exists()

    def start_over(self, manifest: EngineManifest) -> None:
        """An empty shard folder under `manifest`, cursor 0. An old shard of the same manifest was broken and is set
        aside, in the place of the one before; one of another manifest is of no use to anybody and is deleted.
        """
        keep_broken = _read(self._manifest) == self._built(manifest)
        broken = self.path / "shard.broken"
        try:
            # State first: a crash from here on finds no state, and starts over again.
            self._state.unlink(missing_ok=True)
            if self.shard.exists():
                shutil.rmtree(broken, ignore_errors=True)
                self.shard.rename(broken)
            if not keep_broken:
                shutil.rmtree(broken, ignore_errors=True)
            self.shard.mkdir()
            self._suspect.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        _replace(self._manifest, self._built(manifest))
        self.write_state(IndexState())

    def read_state(self) -> IndexState:
        """Raises IndexUnavailable when the file is not what `write_state` wrote."""
        try:
            return IndexState(**(_read(self._state) or {}))
        except TypeError as error:
            raise IndexUnavailable(f"{self._state.name} of the vector index cannot be read.") from error

    def write_state(self, state: IndexState) -> None:
        _replace(self._state, asdict(state))

    def _built(self, manifest: EngineManifest) -> dict[str, Any]:
        """What a shard made now is built with, as JSON gives it back: lists, not tuples."""
        built: dict[str, Any] = json.loads(json.dumps({**asdict(manifest), "layout": self._layout}))
        return built

    def distrust(self) -> None:
        """Have the next start rebuild. Silent when even that cannot be written: the failure itself is being raised."""
        try:
            self._suspect.touch()
        except OSError:
            return


def _read(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None when there is none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _replace(path: Path, value: dict[str, Any]) -> None:
    """Old or new content, never a mixture, also after a power cut."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("w") as stream:
            json.dump(value, stream)
            stream.flush()
            os.fsync(stream.fileno())
        failpoint("folder.drafted")
        temporary.replace(path)
        failpoint("folder.replaced")
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(path: Path, error: OSError) -> IndexUnavailable | StorageFull:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return StorageFull()
    return IndexUnavailable(
        f"The index folder {path} cannot be written ({error.strerror}); check who owns it and whether it is mounted."
    )
