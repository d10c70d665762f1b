"""`toolcrib eval memory`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from domain.errors import InvalidInput
from domain.sessions import MemoryMode, SessionLimits
from gateway.cli.output import out, print_json, progress, table
from gateway.cli.shell import Shell, command

_COLUMNS = {
    "avg_removal_ratio_3t": "removed 3T",
    "avg_residual_3": "residual +3",
    "tools_added": "added",
    "availability": "available",
    "complete_recall": "recall",
    "tokens": "tokens",
    "billed_tokens": "billed",
    "cache_rewrites": "rewrites",
}
_SHARES = frozenset({"avg_removal_ratio_3t", "availability", "complete_recall"})

Mode = Annotated[MemoryMode | None, typer.Option(help="One mode; all of them when none is named.")]
AgentName = Literal["perfect", "never", "badly"]


@dataclass(frozen=True, slots=True)
class Script:
    """Who works in the sessions, and how long they are."""

    agent: Annotated[AgentName, typer.Option(help="Searches perfectly, never removes, searches badly.")] = "never"
    turns: Annotated[int, typer.Option(help="Turns of a session.")] = 100
    sessions: Annotated[int, typer.Option(help="Sessions, each of another seed.")] = 10


@command
async def memory(
    dataset: Annotated[Path, typer.Option(help="Folder with tools.jsonl and queries.jsonl.")],
    script: Script,
    split: Annotated[str, typer.Option(help="Every split whose name begins so.")] = "test",
    mode: Mode = None,
    *,
    shell: Shell,
) -> None:
    """What a tool memory keeps, drops and costs over long sessions of a scripted agent."""
    from gateway.evaluation.memory import MemoryEvaluation, evaluate_memory  # noqa: PLC0415 - the engines, as above
    from gateway.models import Embedders  # noqa: PLC0415

    asked = MemoryEvaluation(
        dataset,
        split=split,
        modes=tuple(MemoryMode) if mode is None else (mode,),
        agents=(script.agent,),
        turns=script.turns,
        sessions=script.sessions,
        limits=SessionLimits(shell.settings.memory_limit),
    )
    with progress() as bar:
        task = bar.add_task("Evaluating", total=None)

        def on_progress(stage: str, done: int, total: int) -> None:
            bar.update(task, description=stage, completed=done, total=total)

        embedder = await Embedders(shell.settings)(shell.settings.embedder)
        results = await evaluate_memory(asked, embedder, shell.settings.data / "eval-cache", on_progress)
    if not results:
        raise InvalidInput("The catalogue is larger than any session may hold, so passthrough has no result.")
    if not shell.as_json:
        _show(results)
    elif mode is None:
        print_json({"dataset": results[0]["dataset"], "modes": {result["mode"]: result for result in results}})
    else:
        print_json(results[0])


def _show(results: list[dict[str, Any]]) -> None:
    first = results[0]
    out.print(
        f"{first['dataset']}, split {first['split']}, agent {first['agent']}: "
        f"{first['sessions']} sessions of {first['turns']} turns"
    )
    rows = [(result["mode"], *(_number(key, result[key]) for key in _COLUMNS)) for result in results]
    out.print(table("mode", *_COLUMNS.values(), rows=rows, right=tuple(_COLUMNS.values())))


def _number(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if key in _SHARES else f"{value:,.1f}"
