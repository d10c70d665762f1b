"""S2: a server swaps a tool after it was approved. Each field is changed by itself, between a search and a call."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.report import Promise
from tests.gateway.mutations import PROBE, SERVER, attempt, every_mutation, settle
from tests.gateway.turncoats import turncoats

SHORT = 60


async def run(*, full: bool) -> list[Promise]:
    """`full`: every mutation; else some of each field."""
    chosen = list(every_mutation(PROBE))
    chosen = chosen if full else chosen[:: max(1, len(chosen) // SHORT)]
    with tempfile.TemporaryDirectory() as folder:
        async with turncoats(Path(folder)) as crib:
            await crib.register(SERVER, PROBE)
            await crib.api.patch(f"/servers/{SERVER}", {"review": "hold"})
            session = (await crib.api.post("/sessions", {}))["id"]
            trials = []
            for _, mutated in chosen:
                await settle(crib, PROBE)
                trials.append(await attempt(crib, session, PROBE, mutated))
    noticed = sum(trial.noticed and trial.shown for trial in trials) / len(trials)
    served = sum(bool(trial.served) for trial in trials)
    return [
        Promise("s02_changes_of_a_field_noticed", noticed, 1.0, at_most=False),
        Promise("s02_served_before_approval", served, 0),
    ]
