"""The policy end to end: recorded sessions replayed through a whole gateway, with real MCP servers behind it.

    python -m benchmarks.policy_replay DATASETS [--text] [--keep DIR] [--sets api-bank tau2-retail-airline]

Sessions of the train and dev splits are replayed first: what is learnt comes from the log they leave. Then every test
session is replayed once per row, on a copy of that log: at each step the agent searches with the last words of its user
and calls the tool that was called. Statistics are frozen meanwhile. Case memory and outcome-aware ranking are off.
With --text, a text policy is trained on that log by `toolcrib rl train` and asked at `toolcrib rl serve`, both of the
environment that TOOLCRIB_RL_PYTHON names; `make policy ARGS=replay N=full` sets it. That takes a while, so --keep names
a folder where what was learnt stays, and is found by the next run.

- availability: the right tool is in the session's memory when it is called for.
- success@1: it is the first that the search answered.
- calls per task: an agent that tries what was found in its order, and searches once more where it is not among it.
- saved: steps at which no policy had to be asked, since the graph answered.

Intervals: 95 %, bootstrap over sessions, paired with the row named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.replayed_log import UNNAMED, id_of, kept_metrics, serving_text, train_text
from benchmarks.report import Promise, finish
from domain.identity import LOCAL
from gateway.policy.fast_path import STAGE as INERTIA
from index.evaluation.dataset import LabelledTool
from index.evaluation.recorded_sessions import RecordedSession, RecordedSessions, load_recorded_sessions
from tests.gateway.turncoats import Turncoats, turncoats

SETS = ("api-bank", "tau2-retail-airline")
COMPLETE = "complete"
"""File in the folder of a log that has all that there is to learn from."""

K = 5
ROUNDS = 10_000
ANSWERED = 0.25
PLAIN, ORACLE = "plain retrieval", "oracle"
OFF: dict[str, Any] = {"case_memory": False, "inertia": False, "policy_mode": "off"}


@dataclass(frozen=True, slots=True)
class StepEnd:
    """One step of one session under one row."""

    available: bool
    first: bool
    calls: int
    saved: bool


Ends = Mapping[str, Sequence[StepEnd]]
"""By session."""


def rows(text: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Name -> settings. `text`: those of a gateway that asks the text policy."""
    live = {"policy_mode": "live"}
    made = {
        PLAIN: OFF,
        "+ inertia": {**OFF, "inertia": True},
        "embedded policy": {**OFF, **live},
        "embedded policy + inertia": {**OFF, **live, "inertia": True},
    }
    if text is not None:
        asked = {**OFF, **live, **text}
        made |= {"text policy": asked, "text policy + inertia": {**asked, "inertia": True}}
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path)
    parser.add_argument("--text", action="store_true", help="Train a text policy on the log, and ask it.")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--keep", type=Path, help="Folder for what is learnt; what is there is not learnt again.")
    asked = parser.parse_args()
    promises, details = asyncio.run(replayed(asked.datasets, asked.sets, text=asked.text, keep=asked.keep))
    print(json.dumps(details, indent=1))
    finish("policy_replay_text" if asked.text else "policy_replay", promises, {"k": K, "sets": details})


async def replayed(
    datasets: Path, sets: Sequence[str], *, text: bool, keep: Path | None = None
) -> tuple[list[Promise], dict[str, Any]]:
    """What is promised of inertia, and the table of each set."""
    details: dict[str, Any] = {}
    promises: list[Promise] = []
    for name in sets:
        data = load_recorded_sessions(datasets / name)
        with tempfile.TemporaryDirectory(prefix="toolcrib-replay-") as place:
            ends, learnt = await _measure(data, keep / name if keep else Path(place), text=text)
        details[name] = _table(ends)
        gained = details[name]["+ inertia"]["success@1 - plain retrieval"]
        promises += [
            Promise(f"{name}_steps_answered_by_inertia", details[name]["+ inertia"]["saved"]["mean"], ANSWERED,
                    at_most=False),
            Promise(f"{name}_inertia_success_gained_upper", gained["high"], 0.0, at_most=False),
        ]  # fmt: skip
        if learnt:
            details[name]["text policy"]["training"] = learnt
    return promises, details


async def _measure(data: RecordedSessions, place: Path, *, text: bool) -> tuple[dict[str, Ends], dict[str, Any]]:
    """Where each row's steps ended, and the metrics of the text policy's training."""
    learnt = place / "learnt"
    if not (learnt / COMPLETE).exists():
        await _learn(data, _emptied(learnt))
    taught: dict[str, Any] = {}
    if text:
        taught = kept_metrics(place / "text") or train_text(learnt / "data", data.tools, place / "text")
    ends: dict[str, Ends] = {}
    with serving_text(place / "text") if text else nullcontext() as asking:
        for number, (row, settings) in enumerate(rows(asking).items()):
            folder = place / str(number)
            shutil.copytree(learnt, folder)
            async with _ready(folder, settings) as crib:
                ends[row] = {one.session_id: await _replay(crib, data, one) for one in data.of("test")}
            shutil.rmtree(folder)
    ends[ORACLE] = {name: [StepEnd(True, True, 1, False)] * len(steps) for name, steps in ends[PLAIN].items()}
    return ends, taught


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


async def _learn(data: RecordedSessions, folder: Path) -> None:
    """The sessions of train and dev."""
    async with turncoats(folder, **OFF) as crib:
        await _register(crib, data.tools)
        for session in (*data.of("train"), *data.of("dev")):
            await _replay(crib, data, session)
        await crib.crib.journal.flush()
    (folder / COMPLETE).touch()


@asynccontextmanager
async def _ready(folder: Path, settings: Mapping[str, Any]) -> AsyncIterator[Turncoats]:
    """A gateway that has learnt from the log in its folder, and learns no more."""
    async with turncoats(folder, **settings) as opened:
        await opened.crib.experiences.catch_up(LOCAL.tenant)
        if opened.crib.policy.fast is not None:
            await opened.crib.policy.fast.learn()
        yield opened


async def _register(crib: Turncoats, tools: Sequence[LabelledTool]) -> None:
    by_server: dict[str, list[dict[str, Any]]] = {}
    for tool in tools:
        by_server.setdefault(tool.server or UNNAMED, []).append(dict(tool.document.raw))
    for server, offered in by_server.items():
        await crib.register(server, *offered)


async def _replay(crib: Turncoats, data: RecordedSessions, session: RecordedSession) -> list[StepEnd]:
    ids = {tool.tool_id: id_of(tool) for tool in data.tools}
    handle = (await crib.api.post("/sessions", {}))["id"]
    said, ends = "", []
    for call in session.calls:
        said = call.query or said
        gold = ids[call.tool_id]
        body = {"queries": [said], "k": K, "session_id": handle, "explain": True}
        found = await _found(crib, body) if said else []
        held = (await crib.api.get(f"/sessions/{handle}/memory"))["entries"]
        order = [one["tool_id"] for one in found]
        ends.append(
            StepEnd(
                available=gold in {entry["tool_id"] for entry in held},
                first=order[:1] == [gold],
                calls=order.index(gold) + 1 if gold in order else K + 1,
                saved=any(INERTIA in one["stages"] for one in found),
            )
        )
        await crib.api.post("/call", {"tool": gold, "arguments": dict(call.arguments or {}), "session_id": handle})
        await crib.crib.journal.flush()
    return ends


async def _found(crib: Turncoats, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Raises AssertionError where a policy was asked and did not answer: its row would be retrieval's."""
    [answer] = (await crib.api.post("/search", body))["results"]
    assert not answer.get("degraded"), f"a part of the search failed: {answer['degraded']}"
    found: list[dict[str, Any]] = answer["candidates"]
    return found


def _table(ends: Mapping[str, Ends]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for row, of_row in ends.items():
        table[row] = {
            "steps": sum(map(len, of_row.values())),
            "availability": _interval(_per_session(of_row, "available")),
            "success@1": _interval(_per_session(of_row, "first")),
            "calls per task": _interval(_per_session(of_row, "calls"), per_session=True),
            "saved": _interval(_per_session(of_row, "saved")),
        }
        for other in (PLAIN, row.removesuffix(" + inertia")):
            if other in ends and other != row:
                both = _per_session(of_row, "first"), _per_session(ends[other], "first")
                table[row][f"success@1 - {other}"] = _interval(
                    [(one[0] - two[0], one[1]) for one, two in zip(*both, strict=True)]
                )
    return table


def _per_session(ends: Ends, what: str) -> list[tuple[float, int]]:
    """Sum over the steps of each session, and how many there are."""
    return [(float(sum(getattr(end, what) for end in ends[name])), len(ends[name])) for name in sorted(ends)]


def _interval(sums: Sequence[tuple[float, int]], *, per_session: bool = False) -> dict[str, float]:
    """Mean per step, or per session, with the bootstrap's 2.5 and 97.5 %."""
    total, steps = np.array([one for one, _ in sums]), np.array([1 if per_session else many for _, many in sums])
    drawn = np.random.default_rng(8).integers(0, len(sums), (ROUNDS, len(sums)))
    means = total[drawn].sum(axis=1) / steps[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {name: round(float(value), 4) for name, value in
            (("mean", total.sum() / steps.sum()), ("low", low), ("high", high))}  # fmt: skip


if __name__ == "__main__":
    main()
