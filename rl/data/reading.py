"""Reads what `toolcrib rl export` wrote. Every error names the file and the line."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from domain.errors import InvalidInput
from domain.events import Actor, Outcome, Versions
from domain.trajectories import FORMAT, VERSION, Step, StepCandidate, StepKind

_NUMBERS = ("at", "latency_ms", "cost")
_VERSION_PARTS = tuple(part.name for part in fields(Versions))


@dataclass(frozen=True, slots=True)
class Export:
    """The steps of one file, in the order of the log. `digest`: SHA-256 of the file, for manifests."""

    steps: tuple[Step, ...]
    digest: str
    source: str = ""


def read_export(path: Path) -> Export:
    """Raises InvalidInput for what is no export, is empty, is of another version, or has a step that cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read ({error.strerror}); make it with `toolcrib rl export`.") from error
    rows = _rows(path, content)
    if not rows:
        raise InvalidInput(f"{path} is empty; make it with `toolcrib rl export --out {path}`.")
    first, *others = rows
    _check_header(path, first[1])
    steps = []
    for number, row in others:
        if "format" in row:
            raise InvalidInput(f"{path}, line {number}: a second header; train on one export at a time.")
        try:
            steps.append(parse_step(row))
        except InvalidInput as error:
            raise InvalidInput(f"{path}, line {number}: {error.message}") from error
    if not steps:
        raise InvalidInput(f"{path} has a header and no steps: nothing was logged yet.")
    return Export(tuple(steps), hashlib.sha256(content).hexdigest(), str(first[1].get("source", "")))


def parse_step(row: Mapping[str, Any]) -> Step:
    """One line as a step. Raises InvalidInput, saying what is wrong with it."""
    try:
        return Step(
            id=_text(row, "id"),
            kind=StepKind(row.get("kind", "")),
            seq=int(row.get("seq", 0)),
            parent_id=row.get("parent_id"),
            session=row.get("session"),
            actor=Actor(row.get("actor", Actor.GATEWAY)),
            queries=tuple(map(str, row.get("queries", ()))),
            candidates=tuple(map(_candidate, row.get("candidates", ()))),
            memory=tuple(map(str, row.get("memory", ()))),
            action=dict(row.get("action", {})),
            propensity=_propensity(row),
            outcome=Outcome(row.get("outcome", Outcome.OK)),
            budget={name: None if left is None else float(left) for name, left in row.get("budget", {}).items()},
            context={str(name): _finite(value, name) for name, value in row.get("context", {}).items()},
            arguments_hash=row.get("arguments_hash"),
            arguments=row.get("arguments"),
            versions=Versions(**{part: str(row.get("versions", {}).get(part, "")) for part in _VERSION_PARTS}),
            **{name: _number(row, name) for name in _NUMBERS},
        )
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise InvalidInput(f"it is no step of version {VERSION} ({error}).") from error


def _rows(path: Path, content: bytes) -> Sequence[tuple[int, dict[str, Any]]]:
    rows = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InvalidInput(f"{path}, line {number}: it is not JSON; the file may be cut off.") from error
        if not isinstance(row, dict):
            raise InvalidInput(f"{path}, line {number}: it is not a JSON object.")
        rows.append((number, row))
    return rows


def _check_header(path: Path, row: Mapping[str, Any]) -> None:
    if row.get("format") != FORMAT:
        raise InvalidInput(f"{path} does not begin with the header of an export; make it with `toolcrib rl export`.")
    if row.get("version") != VERSION:
        raise InvalidInput(
            f"{path} is of version {row.get('version')} and this Toolcrib reads version {VERSION}; export it again."
        )


def _candidate(row: Mapping[str, Any]) -> StepCandidate:
    stages = {str(name): _finite(value, name) for name, value in row.get("stages", {}).items()}
    return StepCandidate(
        _text(row, "tool_id"), _number(row, "score"), stages, int(row.get("query", 0)), bool(row.get("shown", True))
    )


def _propensity(row: Mapping[str, Any]) -> float | None:
    """Raises InvalidInput for a number that is no probability of something that happened."""
    value = row.get("propensity")
    if value is None:
        return None
    if not 0 < _finite(value, "propensity") <= 1:
        raise InvalidInput(f"its propensity is {value}; what was done has a probability above 0 and up to 1.")
    return float(value)


def _number(row: Mapping[str, Any], name: str) -> float:
    return _finite(row.get(name, 0.0), name)


def _finite(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"`{name}` is {value!r}, which is no finite number.")
    return float(value)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"`{name}` is missing or no text.")
    return value
