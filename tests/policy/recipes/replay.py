"""Recorded sessions replayed through a whole gateway: what inertia answers and whether it costs success. The short form
replays api-bank; N=full both sets, and trains, serves and asks a text policy as well.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from benchmarks.policy_replay import SETS, replayed
from benchmarks.report import Promise


async def run(*, full: bool) -> list[Promise]:
    datasets = Path(os.environ["TOOLCRIB_DATASETS"])
    promises, details = await replayed(datasets, SETS if full else SETS[:1], text=full)
    print(json.dumps(details, indent=1), flush=True)  # noqa: T201
    return promises
