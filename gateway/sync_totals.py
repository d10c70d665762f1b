"""What the syncs of this process did since it started, for `/metrics` and the live view of `toolcrib sync`."""

from __future__ import annotations

from collections import Counter

from domain.catalogue import SyncRun

CHANGES = ("added", "changed", "removed", "held")
STEPS = ("list", "store", "index")


class SyncTotals:
    """Counts only grow. No server is named: there may be thousands."""

    def __init__(self) -> None:
        self.runs: Counter[tuple[str, str]] = Counter()  # (trigger, outcome)
        self.changes: Counter[str] = Counter()
        self.seconds = dict.fromkeys(STEPS, 0.0)
        self.took_s = 0.0
        self.warned = 0  # runs that succeeded, and had something to say

    def add(self, run: SyncRun) -> None:
        self.runs[run.trigger, "ok" if run.error is None else "failed"] += 1
        self.took_s += max(0.0, run.finished_at - run.started_at)
        self.warned += bool(run.error is None and run.warnings)
        for kind in CHANGES:
            self.changes[kind] += getattr(run, kind)
        for step in STEPS:
            self.seconds[step] += getattr(run, f"{step}_s")
