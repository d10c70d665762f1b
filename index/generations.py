"""DIR/index/: one folder for each way an index was built, and which of them serves.

DIR/index/serving.json        the embedder's recipe, its version, dimension, and the manifest of what serves
DIR/index/<12 hex>/           an index, named by the hash of its manifest

So a change of the embedding model builds beside what serves, and a half-built index survives a restart. Blocking.
Refuses to know: engines, models, what a recipe means.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from domain.canonical import canonical_json, sha256_hex
from domain.errors import IndexUnavailable
from index.ports import EngineManifest

logger = logging.getLogger(__name__)

_RECORD = "serving.json"
_FLAT = "manifest.json"  # an index that lies in the folder itself: how it was before there were several
_OURS = tuple(field.name for field in fields(EngineManifest))
_NAME = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves, as it was written down. `recipe`: the setting that named the embedder; empty when unknown."""

    recipe: str
    embedder: str
    dimension: int
    manifest: Mapping[str, Any]

    @classmethod
    def of(cls, recipe: str, manifest: EngineManifest) -> Serving:
        return cls(recipe, manifest.embedder, manifest.fields[0][1], plain(manifest))


class Generations:
    """The folder and its record. Raises IndexUnavailable when it cannot be written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._record = root / _RECORD
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(root, error) from error
        self._adopt_flat()

    def folder(self, manifest: Mapping[str, Any]) -> Path:
        """Where an index of this manifest lies."""
        return self._root / sha256_hex(canonical_json(manifest))[:12]

    def read(self) -> Serving | None:
        """What serves; None when nothing does yet, or when its record cannot be read: then it is built again."""
        found = _json(self._record)
        try:
            return None if found is None else Serving(**found)
        except TypeError:
            return None

    def write(self, serving: Serving) -> None:
        """The old or the new record, never a mixture."""
        draft = self._record.with_suffix(".tmp")
        try:
            with draft.open("w") as stream:
                json.dump(asdict(serving), stream)
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._record)
        except OSError as error:
            raise _unwritable(self._root, error) from error

    def drop_all_but(self, kept: Collection[Path]) -> None:
        """Delete the indexes that serve no more. What cannot be deleted now is tried again later."""
        for folder in self._root.iterdir():
            if folder.is_dir() and _NAME.fullmatch(folder.name) and folder not in kept:
                logger.info("The index %s serves no more and is deleted.", folder.name)
                shutil.rmtree(folder, ignore_errors=True)

    def _adopt_flat(self) -> None:
        """Move an index of an earlier version to where it belongs."""
        found = _json(self._root / _FLAT)
        if found is None:
            return
        manifest = {name: found.get(name) for name in _OURS}  # engines may add what concerns only them
        target = self.folder(manifest)
        try:
            target.mkdir(exist_ok=True)
            for entry in [one for one in self._root.iterdir() if one != target and one.name != _FLAT]:
                entry.rename(target / entry.name)
            (self._root / _FLAT).rename(target / _FLAT)  # last: until then, the next start goes on with it
        except OSError as error:
            raise _unwritable(self._root, error) from error
        vectors = manifest["fields"] or [["", 0]]
        self.write(Serving("", str(manifest["embedder"]), int(vectors[0][1]), manifest))


def plain(manifest: EngineManifest) -> dict[str, Any]:
    """The manifest as JSON gives it back: lists, not tuples."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(manifest)))
    return found


def _json(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _unwritable(root: Path, error: OSError) -> IndexUnavailable:
    return IndexUnavailable(f"The index folder {root} cannot be written ({error.strerror}); make it writable.")
