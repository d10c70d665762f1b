"""Named places at which a process can be made to die at once, as by `kill -9`: how crashes are tested.

Off unless TOOLCRIB_FAILPOINT was set when the process started: then it names a file, and the process dies at the place
whose name stands in it. The file is read at every place, so that a running process can be told where to die; it is
removed in the moment of dying, so that the next process lives.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

NAMES = (
    # sync
    "sync.before_listing",
    "sync.listed",
    "sync.before_commit",
    "sync.committed",
    "sync.indexed",
    "sync.recorded",
    "index.orphans_known",
    "index.followed",
    "index.advanced",
    "index.upserted_before_deleting",
    # store
    "store.before_commit",
    "store.committed",
    "store.generation_taken",
    "store.tools_written",
    "store.tools_buried",
    "store.changes_logged",
    "store.run_written",
    "store.server_forgotten",
    "store.server_removed",
    "store.overlay_written",
    "store.vectors_written",
    "store.events_written",
    # index
    "index.embedded",
    "index.batch_stored",
    "index.tools_advanced",
    "engine.before_upsert",
    "engine.upserted",
    "engine.before_delete",
    "engine.deleted",
    "engine.flushed",
    "folder.drafted",
    "folder.replaced",
)

_FILE = os.environ.get("TOOLCRIB_FAILPOINT")


def failpoint(name: str) -> None:
    """Die here, if this is the place."""
    if _FILE is not None and _named(Path(_FILE)) == name:
        Path(_FILE).unlink(missing_ok=True)
        os.kill(os.getpid(), signal.SIGKILL)


def _named(file: Path) -> str | None:
    with contextlib.suppress(OSError):
        return file.read_text().strip()
    return None
