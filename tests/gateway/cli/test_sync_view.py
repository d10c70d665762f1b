"""The live view of a sync: what it shows on the way, and its last line."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console
from rich.progress import Progress, TextColumn

from gateway.cli.sync_view import SyncView


def run(**more: Any) -> dict[str, Any]:
    return {"added": 0, "changed": 0, "removed": 0, "held": 0, "embedded": 0, "error": None, **more}


def test_a_view_adds_up_changes_speed_and_failures() -> None:
    now = [0.0]
    with Progress(TextColumn("{task.fields[said]}"), console=Console(file=io.StringIO()), auto_refresh=False) as bar:
        view = SyncView(bar, 3, clock=lambda: now[0])
        view.embedded(1000)
        now[0] = 2.0
        view.embedded(1300)
        on_the_way = bar.tasks[0].fields["said"]
        view.ended(run(added=5, embedded=300))
        view.ended(run(changed=1, held=2))
        view.ended(run(error="Away."))
        now[0] = 4.0
        done, said = bar.tasks[0].completed, bar.tasks[0].fields["said"]

    assert on_the_way == "150 embeddings/s"
    assert (done, said) == (3, "5 added 1 changed 2 held  150 embeddings/s")
    assert view.summary() == (
        "3 servers in 4.0 s, 1 failed: 5 added, 1 changed, 0 removed, 2 held; 300 texts embedded (75/s)."
    )
