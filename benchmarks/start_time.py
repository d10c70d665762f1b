"""How long a gateway with a synced catalogue takes from its start to its first answered search.

python -m benchmarks.start_time [--tools 1500] [--starts 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
from pathlib import Path

from benchmarks.real_catalogue import fill, queries
from benchmarks.report import Promise, finish, percentiles
from tests.e2e.running import serving

TARGET_S = 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tools", type=int, default=1500)
    parser.add_argument("--starts", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="toolcrib-bench-") as temporary:
        folder = Path(temporary)
        tools = asyncio.run(fill(folder, asked.tools))
        seconds = [first_answer(folder, queries()[number]) for number in range(asked.starts)]
    details = {"tools": tools, "starts_s": [round(taken, 3) for taken in seconds]}
    print(json.dumps(details))
    finish("start_time", [Promise("start_to_first_search_p50", percentiles(seconds)["p50"], TARGET_S, "s")], details)


def first_answer(folder: Path, query: str) -> float:
    """Seconds from the start of the process to the answer of a search that found something."""
    began = time.perf_counter()
    with serving(folder) as gateway:
        request = urllib.request.Request(
            f"{gateway.url}/api/v1/search",
            json.dumps({"queries": [query]}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        taken = time.perf_counter() - began
    assert answer["results"][0]["candidates"]
    return taken


if __name__ == "__main__":
    main()
