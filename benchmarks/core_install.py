"""Size and time of the core install: a fresh environment, `pip install .`, nothing else.

python -m benchmarks.core_install
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Promise, finish

ROOT = Path(__file__).resolve().parent.parent
TARGET_MB = 400
TARGET_S = 90


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toolcrib-install-") as temporary:
        environment = Path(temporary) / "venv"
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(environment / "bin" / "pip"), "install", "--quiet", str(ROOT)], check=True)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in environment.rglob("*") if path.is_file() and not path.is_symlink())
    details = {"bytes": size, "seconds": round(seconds, 1)}
    print(json.dumps(details))
    promises = [
        Promise("core_install_size", size / 1e6, TARGET_MB, "MB"),
        Promise("core_install_time", seconds, TARGET_S, "s"),
    ]
    finish("core_install", promises, details)


if __name__ == "__main__":
    main()
