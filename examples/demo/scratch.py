"""What the demo's servers work on: a git repository, an SQLite file, a folder, a memory file. Made once, then kept.

Without git on this machine there is no repository, and the demo has no git server.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

_COMMIT = ("-c", "user.name=Toolcrib demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")
_PARTS = (("hammer", "bench 1", 3), ("vernier caliper", "drawer 4", 1), ("tap wrench", "drawer 2", 0))


def make_scratch(folder: Path) -> Mapping[str, str]:
    """Absolute paths by placeholder name. Raises OSError or CalledProcessError when one cannot be made."""
    places = {
        "repository": folder / "repository",
        "database": folder / "workshop.db",
        "files": folder / "files",
        "memory": folder / "memory.jsonl",
    }
    folder.mkdir(parents=True, exist_ok=True)
    _files(places["files"])
    _repository(places["repository"])
    _database(places["database"])
    return {name: str(path) for name, path in places.items()}


def _files(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "notes.txt").write_text("The tap wrench is lent out; ask at the counter.\n", encoding="utf-8")
    (folder / "opening-hours.csv").write_text("day,from,to\nMonday,07:00,16:00\n", encoding="utf-8")


def _repository(folder: Path) -> None:
    if (folder / ".git").is_dir() or shutil.which("git") is None:
        return
    folder.mkdir(exist_ok=True)
    (folder / "README.md").write_text("# Workshop\n\nA scratch repository of the Toolcrib demo.\n", encoding="utf-8")
    for arguments in (("init", "--quiet"), ("add", "."), (*_COMMIT, "commit", "--quiet", "-m", "Open the workshop")):
        subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607 - ours


def _database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS parts (name TEXT PRIMARY KEY, place TEXT, stock INTEGER)")
        connection.executemany("INSERT OR IGNORE INTO parts VALUES (?, ?, ?)", _PARTS)
    connection.close()
