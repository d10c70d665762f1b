"""R18: the version before and this one on one database: the new one migrates under the old one's feet, both serve.

And a migration that is killed before its commit leaves the old schema, and the next start resumes. The version before
is the commit before the last one that changed the schema, in a work tree of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.report import Promise
from store.database import Database
from store.keyring import KEY_FILE
from store.revision import HEAD, revision
from store.url import database_url
from tests.chaos.parts import ChangingUpstream, api_of, changing_upstream, own_database, register, sync
from tests.chaos.recipes.r22_clock_jump import environment
from tests.conftest import ROOT
from tests.e2e.running import serving

ROUNDS = 20


async def run(*, full: bool) -> list[Promise]:
    before = _git("log", "-1", "--format=%H", "-G^HEAD = ", "--", "store/revision.py")
    if not before:
        print("  r18 is left out: there is no history of the code here")  # noqa: T201
        return []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toolcrib-chaos-")))
        tree = stack.enter_context(a_work_tree(folder / "before", f"{before}~1"))
        url = await stack.enter_async_context(own_database())
        upstream = await stack.enter_async_context(changing_upstream(4, 20))
        settings = {
            "database_url": url,
            "secrets_key_file": str(folder / KEY_FILE),
            "poll_s": "2",
            "log_level": "ERROR",
        }
        old = await stack.enter_async_context(a_gateway(folder / "old", settings, tree))
        await register(old, "s0", upstream.url(0))
        await sync(old, "s0")
        was = await schema(url)
        killed = await interrupted(folder, settings)
        kept = await schema(url) == was
        new = await stack.enter_async_context(a_gateway(folder / "new", settings, ROOT))
        errors = await both_serve(old, new, upstream, ROUNDS * (10 if full else 1))
        now = await schema(url)
    return [
        Promise("r18_schema_was_older", float(was != HEAD), 1, at_most=False),
        Promise("r18_interrupted_migration_left_it", float(killed and kept), 1, at_most=False),
        Promise("r18_next_start_migrated", float(now == HEAD), 1, at_most=False),
        Promise("r18_errors_with_both_versions_live", errors, 0),
    ]


@contextmanager
def a_work_tree(path: Path, commit: str) -> Iterator[Path]:
    _git("worktree", "add", "--detach", str(path), commit)
    try:
        yield path
    finally:
        _git("worktree", "remove", "--force", str(path))


@asynccontextmanager
async def a_gateway(data: Path, settings: dict[str, Any], code: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway of the code in a work tree."""
    # `python -m` looks into the working folder first.
    async with AsyncExitStack() as stack:
        with contextlib.chdir(code), environment(PYTHONPATH=str(code)):
            gateway = stack.enter_context(serving(data, **settings))
        yield await stack.enter_async_context(api_of(gateway.url))


async def schema(url: str) -> str | None:
    database = Database(database_url(url))
    try:
        return await database.inspect(revision)
    finally:
        await database.close()


async def interrupted(folder: Path, settings: dict[str, Any]) -> bool:
    """Start this version and kill it in its migration, before the commit; whether it died there."""
    place = folder / "die-here"
    place.write_text("store.before_commit")
    try:
        with serving(folder / "killed", failpoint=str(place), **settings) as gateway:
            await asyncio.to_thread(gateway.process.wait, 60)
    except (AssertionError, subprocess.TimeoutExpired):
        """It died before it said where it listens."""
    return not place.exists()


async def both_serve(old: httpx2.AsyncClient, new: httpx2.AsyncClient, upstream: ChangingUpstream, rounds: int) -> int:
    """Requests of every kind at both; how many were answered by an error."""
    errors = 0
    await register(new, "s1", upstream.url(1))
    for number in range(rounds):
        await upstream.change([0, 1], number)
        for http in (old, new):
            runs = [(await http.post(f"/api/v1/servers/s{server}/sync")).json() for server in range(2)]
            errors += sum(run.get("error", "no run") is not None for run in runs)
            opened = await http.post("/api/v1/search", json={"queries": ["read file"], "new_session": True})
            errors += opened.status_code != 200
            shown = (await http.get("/api/v1/tools", params={"state": "active", "limit": 1})).json()["tools"][0]
            change = await http.patch(f"/api/v1/tools/{shown['tool_id']}", json={"description": f"Anew {number}."})
            errors += change.status_code != 200
            call = {"tool": shown["tool_id"], "arguments": {"file": "x"}}
            errors += (await http.post("/api/v1/call", json=call)).status_code != 200
    return errors


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()
