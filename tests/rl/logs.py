"""Small logs for tests: written as the gateway writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from domain.events import Actor, Versions
from domain.trajectories import Step, StepCandidate, StepKind, header, step_json

TOOLS = ("a", "b", "c")


def a_choice(number: int, tool_id: str, **more: Any) -> Step:
    """A policy's call of one of TOOLS, which scored 3, 2 and 1."""
    candidates = tuple(StepCandidate(name, float(3 - place)) for place, name in enumerate(TOOLS))
    values: dict[str, Any] = {
        "session": f"s{number}",
        "actor": Actor.POLICY,
        "queries": (f"query {number}",),
        "candidates": candidates,
        "action": {"tool_id": tool_id},
        "propensity": 1 / 3,
        "versions": Versions("1", "i1", "p1", ""),
    }
    return Step(f"c{number}", StepKind.CALL, **values | more)


def a_judgement(number: int, success: float) -> Step:
    return Step(
        f"f{number}", StepKind.FEEDBACK, session=f"s{number}", parent_id=f"c{number}",
        actor=Actor.PERSON, action={"of": f"c{number}", "success": success, "checklist": {}},
    )  # fmt: skip


def written(path: Path, steps: Iterable[Step], **head: Any) -> Path:
    rows = [{**header("test"), **head}, *map(step_json, steps)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
