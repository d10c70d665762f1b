"""Installs the demo's servers below one folder. Quick and offline when everything is there already.

Refuses to know: Toolcrib itself, and how its clients are configured.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from examples.demo.packages import DemoServer, Ecosystem

_AT_ONCE = 4  # installers wait for the network half of the time
_SCRIPTS = "Scripts" if os.name == "nt" else "bin"

Report = Callable[[str, bool], None]
"""Called with a sentence and whether it is good news, from the thread that waits."""


class InstallError(Exception):
    """A package could not be installed."""


def install(folder: Path, servers: Sequence[DemoServer], report: Report) -> tuple[DemoServer, ...]:
    """Install what is missing, several at a time; the servers that are ready, in the order given.

    A failure is reported in one sentence and leaves the others alone.
    """
    jobs = _jobs(servers)
    ready: set[str] = set()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {pool.submit(_install_job, folder, group): [server.name for server in group] for group in jobs}
        for done in as_completed(waiting):
            names = ", ".join(waiting[done])
            try:
                fresh = done.result()
            except InstallError as error:
                report(f"{names}: {error}", False)
                continue
            report(f"{names}: {'installed' if fresh else 'ready'}", True)
            ready.update(waiting[done])
    return tuple(server for server in servers if server.name in ready)


def _jobs(servers: Sequence[DemoServer]) -> list[tuple[DemoServer, ...]]:
    """One for each Python server, one for all of Node's."""
    python = [(server,) for server in servers if server.ecosystem is Ecosystem.PYTHON]
    node = tuple(server for server in servers if server.ecosystem is Ecosystem.NODE)
    return [*python, node] if node else [*python]


def launcher(folder: Path, server: DemoServer) -> tuple[str, ...]:
    """The absolute command of an installed server, without its arguments; the last part is the server's own file."""
    if server.ecosystem is Ecosystem.PYTHON:
        return (str(folder / "python" / server.name / _SCRIPTS / server.entry),)
    return (shutil.which("node") or "node", str(folder / "node" / "node_modules" / server.package / server.entry))


def node_present() -> bool:
    return shutil.which("node") is not None and shutil.which("npm") is not None


def _install_job(folder: Path, servers: tuple[DemoServer, ...]) -> bool:
    """One environment. False when it was there already."""
    ecosystem = servers[0].ecosystem
    target = folder / "python" / servers[0].name if ecosystem is Ecosystem.PYTHON else folder / "node"
    requirements = tuple(requirement for server in servers for requirement in server.requirements)
    stamp = target / "installed.txt"
    wanted = "\n".join((f"Python {sys.version_info.major}.{sys.version_info.minor}", *requirements))
    complete = all(Path(launcher(folder, server)[-1]).exists() for server in servers)
    if complete and stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return False
    (install_python if ecosystem is Ecosystem.PYTHON else install_node)(target, requirements)
    stamp.write_text(wanted, encoding="utf-8")
    return True


def install_python(target: Path, requirements: tuple[str, ...]) -> None:
    """A fresh virtual environment with these requirements. Raises InstallError."""
    # This process's pip installs into an environment without one: half the time, and 10 MB less per server.
    _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(target)], requirements[0])
    _run([sys.executable, "-m", "pip", "--python", str(target), "install", "--quiet", *requirements], requirements[0])


def install_node(target: Path, requirements: tuple[str, ...], npm: Sequence[str] = ()) -> None:
    """These packages below `target`/node_modules, by the command `npm`, else the first on PATH. Raises InstallError."""
    target.mkdir(parents=True, exist_ok=True)
    quiet = ("--no-audit", "--no-fund", "--loglevel=error")
    npm = npm or (shutil.which("npm") or "npm",)
    _run([*npm, "install", "--prefix", str(target), "--ignore-scripts", *quiet, *requirements], requirements[0])


def _run(argv: Sequence[str], wanted: str) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True)  # noqa: S603 - our own fixed commands
    if done.returncode != 0:
        complaints = [line for line in (done.stderr or done.stdout).strip().splitlines() if line.strip()]
        last = complaints[-1].strip() if complaints else f"exit status {done.returncode}"
        raise InstallError(f"`{wanted}` could not be installed ({last}); check the network, then run this again")
